#include "tf_kernels.h"
#include "tf_requantize.h"

static int32_t window_sum(const tf_conv_params *p, const int8_t *x, int top, int left, int channel) {
  const int8_t *weight = p->weights + channel;
  int32_t acc = 0;
  for (int ky = 0; ky < p->kernel_height; ky++) {
    const int row = top + ky * p->dilation_y;
    for (int kx = 0; kx < p->kernel_width; kx++, weight += p->in_channels) {
      const int column = left + kx * p->dilation_x;
      const int inside = row >= 0 && row < p->in_height && column >= 0 && column < p->in_width;
      acc += *weight * (inside ? x[(row * p->in_width + column) * p->in_channels + channel] : p->pad_value);
    }
  }
  return acc;
}

void TF(depthwise)(const tf_conv_params *p, const int8_t *x, int8_t *y, void *scratch) {
  (void)scratch;
  for (int row = 0; row < p->out_height; row++) {
    const int top = row * p->stride_y - p->pad_top;
    for (int column = 0; column < p->out_width; column++) {
      const int left = column * p->stride_x - p->pad_left;
      for (int c = 0; c < p->out_channels; c++) {
        const int32_t acc = p->bias[c] + window_sum(p, x, top, left, c);
        *y++ = tf_requantize(acc, p->multipliers[c * p->multiplier_step], p->shift, p->zero_point, p->low, p->high);
      }
    }
  }
}
