#include "tf_rows.h"
#include "tf_simd.h"

/* Top left corner of a window, which may lie outside the image. */
typedef struct {
  int y, x;
} corner;

/* Corners of the windows of four successive output pixels. */
static void find_corners(const tf_window *w, uint32_t first_pixel, corner at[4]) {
  int row = (int)(first_pixel / w->out_width), column = (int)first_pixel - row * w->out_width;
  for (int i = 0; i < 4; i++) {
    at[i].y = row * w->stride_y - w->pad_top;
    at[i].x = column * w->stride_x - w->pad_left;
    if (++column == w->out_width) {
      column = 0;
      row++;
    }
  }
}

/* Channels are a multiple of 4: each tap is widened from where it lies. */
static void gather_taps(const tf_gather *gather, const corner at[4]) {
  const tf_window *w = gather->window;
  const int8_t *const image = gather->x, *const outside = gather->patch;
  const uint32_t channels = w->in_channels;
  const unsigned height = w->in_height, width = w->in_width;
  uint32_t *tile = gather->tile;
  for (int ky = 0; ky < w->kernel_height; ky++) {
    unsigned first[4], end[4]; /* cell of the image's columns; 0 in rows outside */
    for (int i = 0; i < 4; i++) {
      const unsigned row = (unsigned)(at[i].y + ky * w->dilation_y);
      first[i] = row * width;
      end[i] = row < height ? width : 0;
    }
    for (int kx = 0; kx < w->kernel_width; kx++) {
      const int8_t *source[4];
      for (int i = 0; i < 4; i++) {
        const unsigned column = (unsigned)(at[i].x + kx * w->dilation_x);
        source[i] = column < end[i] ? image + (first[i] + column) * channels : outside;
      }
      tile = TF(widen_4)(source, channels / 4, tile);
    }
  }
}

/* Copies at least 4 bytes by words, some of which overlap: up to 16 without a branch. `at` is where the first three of the last
 * four words begin. */
static inline void copy_words(int8_t *target, const int8_t *source, uint32_t count, const uint32_t at[3]) {
  for (uint32_t i = 0; i < at[0]; i += 4) tf_store(target + i, tf_load(source + i));
  const uint32_t a = tf_load(source + at[0]), b = tf_load(source + at[1]), c = tf_load(source + at[2]);
  const uint32_t d = tf_load(source + count - 4);
  tf_store(target + at[0], a);
  tf_store(target + at[1], b);
  tf_store(target + at[2], c);
  tf_store(target + count - 4, d);
}

/* Copies a window's `rows` rows of `bytes` bytes, which lie `step` bytes apart. */
static void copy_rows(const int8_t *source, int rows, uint32_t bytes, int step, int8_t *target) {
  if (bytes < 4) {
    for (; rows; rows--, source += step) {
      for (uint32_t i = 0; i < bytes; i++) *target++ = source[i];
    }
    return;
  }
  uint32_t at[3];
  for (uint32_t i = 0; i < 3; i++) at[i] = bytes >= 16 ? bytes - 16 + 4 * i : 4 * i < bytes - 4 ? 4 * i : bytes - 4;
  for (; rows; rows--, target += bytes) {
    copy_words(target, source, bytes, at);
    if (rows > 1) source += step;
  }
}

/* Copies a window that reaches out of the image, or has dilation. */
static void copy_cells(const tf_window *w, const int8_t *x, corner at, int8_t *target) {
  const int height = w->in_height, width = w->in_width, channels = w->in_channels;
  const int end_y = at.y + w->kernel_height * w->dilation_y, end_x = at.x + w->kernel_width * w->dilation_x;
  const int step_y = w->dilation_y, step_x = w->dilation_x;
  const int8_t pad = (int8_t)w->pad_value;
  for (int row = at.y; row != end_y; row += step_y) {
    for (int column = at.x; column != end_x; column += step_x) {
      if (row >= 0 && row < height && column >= 0 && column < width) {
        const int8_t *cell = x + (row * width + column) * channels;
        for (int c = 0; c < channels; c++) *target++ = cell[c];
      } else {
        for (int c = 0; c < channels; c++) *target++ = pad;
      }
    }
  }
}

/* Any channels: a window is copied together first. */
static void gather_patches(const tf_gather *gather, const corner at[4]) {
  const tf_window *w = gather->window;
  const uint32_t row_bytes = (uint32_t)w->kernel_width * w->in_channels;
  const uint32_t quads = (w->kernel_height * row_bytes + 3) / 4;
  const int rows = w->kernel_height, width = w->in_width, channels = w->in_channels, step = w->dilation_y * width * channels;
  const int last_y = w->dilation_x == 1 ? w->in_height - (rows - 1) * w->dilation_y - 1 : -1;
  const int last_x = width - w->kernel_width;
  const int8_t *const image = gather->x, *source[4];
  int8_t *target = gather->patch;
  for (int i = 0; i < 4; i++, target += 4 * quads) {
    const int x = at[i].x, y = at[i].y;
    source[i] = target;
    if (x >= 0 && x <= last_x && y >= 0 && y <= last_y) {
      copy_rows(image + (y * width + x) * channels, rows, row_bytes, step, target);
    } else {
      copy_cells(w, image, at[i], target);
    }
  }
  TF(widen_4)(source, quads, gather->tile);
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
