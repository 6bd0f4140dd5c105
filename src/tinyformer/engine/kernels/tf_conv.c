#include "tf_kernels.h"
#include "tf_requantize.h"

/* Sum over the taps of one group's inputs for one output channel whose window begins at (top, left). */
static int32_t window_sum(const tf_conv_params *p, const int8_t *x, const int8_t *weights, int top, int left,
                          int inputs) {
  int32_t acc = 0;
  for (int ky = 0; ky < p->kernel_height; ky++) {
    const int row = top + ky * p->dilation_y;
    for (int kx = 0; kx < p->kernel_width; kx++, weights += inputs) {
      const int column = left + kx * p->dilation_x;
      if (row >= 0 && row < p->in_height && column >= 0 && column < p->in_width) {
        const int8_t *cell = x + (row * p->in_width + column) * p->in_channels;
        for (int i = 0; i < inputs; i++) acc += cell[i] * weights[i];
      } else {
        for (int i = 0; i < inputs; i++) acc += p->pad_value * weights[i];
      }
    }
  }
  return acc;
}

void TF(conv)(const tf_conv_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const int inputs = p->in_channels / p->groups;
  const int outputs = p->out_channels / p->groups;
  const int filter = p->kernel_height * p->kernel_width * inputs;
  (void)scratch;
  for (int row = 0; row < p->out_height; row++) {
    const int top = row * p->stride_y - p->pad_top;
    for (int column = 0; column < p->out_width; column++) {
      const int left = column * p->stride_x - p->pad_left;
      for (int o = 0; o < p->out_channels; o++) {
        const int8_t *group = x + o / outputs * inputs;
        const int32_t acc = p->bias[o] + window_sum(p, group, p->weights + o * filter, top, left, inputs);
        *y++ = tf_requantize(acc, p->multipliers[o * p->multiplier_step], p->shift, p->zero_point, p->low, p->high);
      }
    }
  }
}
