/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_compiler.h"
#include "tf_matrix.h"
#include "tf_simd.h"

/* Top left corner of a window, which may lie outside the image. */
typedef struct {
  int y, x;
} corner;

/* Corners of the windows of four successive output pixels. */
static void find_corners(const tf_window *w, uint32_t first_pixel, corner at[4]) {
  const int width = w->out_width, row = (int)first_pixel / width;
  int column = (int)first_pixel - row * width;
  int y = row * w->stride_y - w->pad_top, x = column * w->stride_x - w->pad_left;
  for (int i = 0; i < 4; i++, x += w->stride_x) {
    if (column++ == width) {
      column = 1;
      x = -w->pad_left;
      y += w->stride_y;
    }
    at[i].y = y;
    at[i].x = x;
  }
}

/* Channels are a multiple of 4: each tap is widened from where it lies. */
static void gather_taps(const tf_gather *gather, const corner at[4]) {
  const tf_window *w = gather->window;
  const int8_t *const image = gather->x, *const outside = gather->border;
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

/* Copies a window that reaches out of the image, row after row. Returns where the copy ends. */
static int8_t *copy_window(const tf_window *w, const int8_t *x, corner at, int8_t *target) {
  const int height = w->in_height, channels = w->in_channels, line = w->in_width * channels;
  const int first = at.x * channels, end = first + w->kernel_width * channels, end_y = at.y + w->kernel_height;
  const int8_t pad = (int8_t)w->pad_value;
  for (int row = at.y; row < end_y; row++) {
    const int there = row >= 0 && row < height ? line : 0;
    int i = first;
    TF_ROLLED for (; i < end && (i < 0 || i >= there); i++) *target++ = pad;
    TF_ROLLED for (; i < end && i < there; i++) *target++ = x[row * line + i];
    TF_ROLLED for (; i < end; i++) *target++ = pad;
  }
  return target;
}

/* Any channels, no dilation: whole words of the windows' rows are widened from where they lie, all that is left of the
 * rows is copied together. */
static void gather_rows(const tf_gather *gather, const corner at[4]) {
  const tf_window *w = gather->window;
  const int channels = w->in_channels, rows = w->kernel_height, line = w->in_width * channels;
  const int last_y = w->in_height - rows, last_x = w->in_width - w->kernel_width;
  const uint32_t bytes = (uint32_t)(w->kernel_width * channels), left = bytes % 4;
  const uint32_t rest_quads = ((uint32_t)rows * left + 3) / 4;
  int8_t *border = gather->border + 16 * rest_quads;
  tf_window_rows windows = {
      .tile = gather->tile,
      .rest = gather->border,
      .rest_bytes = 4 * rest_quads,
      .left = left,
      .quads = bytes / 4,
      .count = (uint32_t)rows,
  };
  const int inside = at[0].y == at[3].y && at[0].y >= 0 && at[0].y <= last_y && at[0].x >= 0 && at[3].x <= last_x;
  for (int i = 0; i < 4; i++) {
    const int y = at[i].y, x = at[i].x;
    if (inside || (y >= 0 && y <= last_y && x >= 0 && x <= last_x)) {
      windows.source[i] = gather->x + y * line + x * channels;
      windows.step[i] = (uint32_t)line - bytes;
    } else {
      windows.source[i] = border;
      windows.step[i] = 0;
      border = copy_window(w, gather->x, at[i], border);
    }
  }
  uint32_t *tile = TF(widen_rows)(&windows);
  if (left) {
    const int8_t *rest[4];
    TF_ROLLED for (uint32_t i = 0; i < 4; i++) rest[i] = gather->border + 4 * rest_quads * i;
    TF(widen_4)(rest, rest_quads, tile);
  }
}

void TF(gather_tile)(const tf_gather *gather, uint32_t first_pixel) {
  corner at[4];
  find_corners(gather->window, first_pixel, at);
  if (gather->window->in_channels % 4) {
    gather_rows(gather, at);
  } else {
    gather_taps(gather, at);
  }
}
