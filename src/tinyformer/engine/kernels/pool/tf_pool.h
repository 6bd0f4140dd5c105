/* SPDX-License-Identifier: Apache-2.0 */
/* The windows of pooling, clipped to the image. */
#ifndef TF_POOL_H
#define TF_POOL_H

#include "tf_kernels.h"

/* The cells of a window that lie inside the image; at least one. */
typedef struct {
  const int8_t *first;
  uint32_t rows, columns;
  uint32_t row_bytes, channels; /* from one row or cell to the next */
} tf_pool_cells;

/* How much of `extent` cells from `start` on lies within 0 .. limit; moves the start there. */
static inline int tf_pool_clip(int *start, int extent, int limit) {
  const int end = *start + extent < limit ? *start + extent : limit;
  if (*start < 0) *start = 0;
  return end - *start;
}

static inline tf_pool_cells tf_pool_window(const tf_pool_params *p, const int8_t *x, int row, int column) {
  int top = row * p->stride_y - p->pad_top, left = column * p->stride_x - p->pad_left;
  const int rows = tf_pool_clip(&top, p->kernel_height, p->in_height);
  const int columns = tf_pool_clip(&left, p->kernel_width, p->in_width);
  const tf_pool_cells cells = {x + (top * p->in_width + left) * p->channels, (uint32_t)rows, (uint32_t)columns,
                               (uint32_t)p->in_width * p->channels, p->channels};
  return cells;
}

#endif
