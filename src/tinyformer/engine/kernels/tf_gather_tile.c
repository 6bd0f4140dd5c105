#include "tf_rows.h"
#include "tf_simd.h"

/* Top left corner of a window, which may lie outside the image. */
typedef struct {
  int y, x;
} corner;

/* Corners of the windows of four successive output pixels. */
static void find_corners(const tf_window *w, uint32_t first_pixel, corner at[4]) {
  int row = (int)(first_pixel / w->out_width), column = (int)(first_pixel % w->out_width);
  for (int i = 0; i < 4; i++) {
    at[i].y = row * w->stride_y - w->pad_top;
    at[i].x = column * w->stride_x - w->pad_left;
    if (++column == w->out_width) {
      column = 0;
      row++;
    }
  }
}

/* The inputs at one tap, or `outside` where it lies outside the image. */
static const int8_t *tap(const tf_window *w, const int8_t *x, corner at, int dy, int dx, const int8_t *outside) {
  const unsigned row = (unsigned)(at.y + dy), column = (unsigned)(at.x + dx);
  if (row >= w->in_height || column >= w->in_width) return outside;
  return x + (row * w->in_width + column) * w->in_channels;
}

/* Channels are a multiple of 4: each tap is widened from where it lies. */
static void gather_taps(const tf_gather *gather, const corner at[4]) {
  const tf_window *w = gather->window;
  const int8_t *source[4];
  uint32_t *tile = gather->tile;
  for (int ky = 0; ky < w->kernel_height; ky++) {
    for (int kx = 0; kx < w->kernel_width; kx++) {
      for (int i = 0; i < 4; i++) {
        source[i] = tap(w, gather->x, at[i], ky * w->dilation_y, kx * w->dilation_x, gather->patch);
      }
      tile = TF(widen_4)(source, w->in_channels / 4u, tile);
    }
  }
}

static int8_t *copy(int8_t *target, const int8_t *source, uint32_t count) {
  for (; count >= 4; count -= 4, target += 4, source += 4) tf_store(target, tf_load(source));
  for (; count; count--) *target++ = *source++;
  return target;
}

/* One row of a window. */
static int8_t *copy_window_row(const tf_window *w, const int8_t *x, int row, int column, int8_t *target) {
  const int channels = w->in_channels, width = w->kernel_width, step = w->dilation_x;
  const int inside = row >= 0 && row < w->in_height;
  const int8_t *cells = x + row * w->in_width * channels;
  if (inside && step == 1 && column >= 0 && column + width <= w->in_width) {
    return copy(target, cells + column * channels, (uint32_t)(width * channels));
  }
  for (int end = column + width * step; column != end; column += step) {
    if (inside && column >= 0 && column < w->in_width) {
      target = copy(target, cells + column * channels, (uint32_t)channels);
    } else {
      for (int c = 0; c < channels; c++) *target++ = (int8_t)w->pad_value;
    }
  }
  return target;
}

/* Any channels: a window is copied together first. */
static void gather_patches(const tf_gather *gather, const corner at[4]) {
  const tf_window *w = gather->window;
  const int8_t *source[4];
  int8_t *target = gather->patch;
  for (int i = 0; i < 4; i++) {
    source[i] = target;
    for (int ky = 0; ky < w->kernel_height; ky++) {
      target = copy_window_row(w, gather->x, at[i].y + ky * w->dilation_y, at[i].x, target);
    }
    while ((target - gather->patch) % 4) *target++ = 0;
  }
  TF(widen_4)(source, (uint32_t)(source[1] - source[0]) / 4, gather->tile);
}

/* Whether windows are single cells, one after the other, which widen as they lie. */
static int is_pointwise(const tf_window *w) {
  return w->kernel_height == 1 && w->kernel_width == 1 && w->stride_y == 1 && w->stride_x == 1 &&
         w->in_channels % 4 == 0 && w->out_height == w->in_height && w->out_width == w->in_width;
}

void TF(gather_tile)(const tf_gather *gather, uint32_t first_pixel) {
  const tf_window *w = gather->window;
  if (is_pointwise(w)) {
    const uint32_t channels = w->in_channels;
    const int8_t *x = gather->x + (size_t)first_pixel * channels;
    const int8_t *const source[4] = {x, x + channels, x + 2 * channels, x + 3 * channels};
    TF(widen_4)(source, channels / 4, gather->tile);
  } else {
    corner at[4];
    find_corners(w, first_pixel, at);
    if (w->in_channels % 4) {
      gather_patches(gather, at);
    } else {
      gather_taps(gather, at);
    }
  }
}
