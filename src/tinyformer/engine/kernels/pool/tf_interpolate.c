/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_kernels.h"
#include "tf_requantize.h"

#define ONE 2048 /* weights along one axis */

/* A sum with 22 fractional bits as a result; `>>` of negative numbers is arithmetic everywhere. */
static int8_t rounded(const tf_interpolate_params *p, int32_t sum) {
  if (p->multiplier) {
    const int32_t acc = (sum - p->in_zero_point * (1 << 22) + (1 << 7)) >> 8;
    return tf_requantize(acc, p->multiplier, 0, p->zero_point, p->low, p->high);
  }
  return (int8_t)((sum + (1 << 21) - (p->away_from_zero & (sum < 0))) >> 22);
}

void TF(interpolate)(const tf_interpolate_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const uint32_t channels = p->channels;
  (void)scratch;
  for (uint32_t i = 0; i < p->out_height; i++) {
    const int8_t *above = x + p->row_cells[2 * i] * p->in_row_bytes;
    const int8_t *below = x + p->row_cells[2 * i + 1] * p->in_row_bytes;
    const int32_t down = p->row_weights[i], up = ONE - down;
    for (uint32_t j = 0; j < p->out_width; j++, y += channels) {
      const uint32_t left = p->column_cells[2 * j] * channels, right = p->column_cells[2 * j + 1] * channels;
      const int32_t second = p->column_weights[j], first = ONE - second;
      const int32_t a = up * first, b = up * second, c = down * first, d = down * second;
      for (uint32_t k = 0; k < channels; k++) {
        const int32_t sum = above[left + k] * a + above[right + k] * b + below[left + k] * c + below[right + k] * d;
        y[k] = rounded(p, sum);
      }
    }
  }
}
