/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_kernels.h"
#include "tf_requantize.h"

/* Sum over the taps of one group's inputs for one output channel whose window begins at (top, left). */
static int32_t window_sum(const tf_window *w, const int8_t *x, const int8_t *weights, int top, int left, int inputs) {
  int32_t acc = 0;
  for (int ky = 0; ky < w->kernel_height; ky++) {
    const int row = top + ky * w->dilation_y;
    for (int kx = 0; kx < w->kernel_width; kx++, weights += inputs) {
      const int column = left + kx * w->dilation_x;
      if (row >= 0 && row < w->in_height && column >= 0 && column < w->in_width) {
        const int8_t *cell = x + (row * w->in_width + column) * w->in_channels;
        for (int i = 0; i < inputs; i++) acc += cell[i] * weights[i];
      } else {
        for (int i = 0; i < inputs; i++) acc += w->pad_value * weights[i];
      }
    }
  }
  return acc;
}

void TF(conv)(const tf_conv_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const tf_window *w = &p->window;
  const int inputs = w->in_channels / p->groups;
  const int outputs = w->out_channels / p->groups;
  const int filter = w->kernel_height * w->kernel_width * inputs;
  (void)scratch;
  for (int row = 0; row < w->out_height; row++) {
    const int top = row * w->stride_y - w->pad_top;
    for (int column = 0; column < w->out_width; column++) {
      const int left = column * w->stride_x - w->pad_left;
      for (int o = 0; o < w->out_channels; o++) {
        const int8_t *group = x + o / outputs * inputs;
        const int32_t acc = p->bias[o] + window_sum(w, group, p->weights + o * filter, top, left, inputs);
        *y++ = tf_requantize(acc, p->multipliers[o * p->multiplier_step], p->shift, p->zero_point, p->low, p->high);
      }
    }
  }
}
