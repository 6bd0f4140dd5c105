/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_kernels.h"
#include "tf_requantize.h"

static int32_t window_sum(const tf_window *w, const int8_t *weight, const int8_t *x, int top, int left, int channel) {
  int32_t acc = 0;
  for (int ky = 0; ky < w->kernel_height; ky++) {
    const int row = top + ky * w->dilation_y;
    for (int kx = 0; kx < w->kernel_width; kx++, weight += w->in_channels) {
      const int column = left + kx * w->dilation_x;
      const int inside = row >= 0 && row < w->in_height && column >= 0 && column < w->in_width;
      acc += *weight * (inside ? x[(row * w->in_width + column) * w->in_channels + channel] : w->pad_value);
    }
  }
  return acc;
}

void TF(depthwise)(const tf_conv_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const tf_window *w = &p->window;
  (void)scratch;
  for (int row = 0; row < w->out_height; row++) {
    const int top = row * w->stride_y - w->pad_top;
    for (int column = 0; column < w->out_width; column++) {
      const int left = column * w->stride_x - w->pad_left;
      for (int c = 0; c < w->out_channels; c++) {
        const int32_t acc = p->bias[c] + window_sum(w, p->weights + c, x, top, left, c);
        *y++ = tf_requantize(acc, p->multipliers[c * p->multiplier_step], p->shift, p->zero_point, p->low, p->high);
      }
    }
  }
}
