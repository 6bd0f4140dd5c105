/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_matrix.h"

/* Whether windows are single cells, one after the other, which widen as they lie. */
static int is_pointwise(const tf_window *w) {
  return w->kernel_height == 1 && w->kernel_width == 1 && w->stride_y == 1 && w->stride_x == 1 &&
         w->in_channels % 4 == 0 && w->out_height == w->in_height && w->out_width == w->in_width;
}

void TF(multiply_tiles)(const tf_gather *gather, const uint32_t *stream, tf_rows rows, tf_rows_function *multiply,
                        int low, int high) {
  const tf_window *w = gather->window;
  const uint32_t pixels = (uint32_t)w->out_height * w->out_width;
  const uint32_t inputs = w->in_channels, outputs = (uint32_t)rows.stride;
  const int pointwise = is_pointwise(w);
  int8_t *y = rows.y;
  for (uint32_t pixel = 0; pixel < pixels; pixel += 4) {
    if (pixel + 4 > pixels) pixel = pixels - 4;
    if (pointwise) {
      const int8_t *x = gather->x + (size_t)pixel * inputs;
      const int8_t *const source[4] = {x, x + inputs, x + 2 * inputs, x + 3 * inputs};
      TF(widen_4)(source, inputs / 4, gather->tile);
    } else {
      TF(gather_tile)(gather, pixel);
    }
    rows.y = y + (size_t)pixel * outputs;
    multiply(stream, &rows);
    if (low > -128 || high < 127) TF(clamp_bytes)(rows.y, 4 * outputs, low, high);
  }
}
