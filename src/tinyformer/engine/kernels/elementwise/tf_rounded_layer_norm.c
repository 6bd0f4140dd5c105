/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_kernels.h"
#include "tf_requantize.h"
#include "tf_row_sums.h"

/* The multiplier of a row whose n^2 * sigma^2 is `variance`, at most 2^34; variance_multiplier is at most 2^28. */
static int32_t row_multiplier(const tf_rounded_layer_norm_params *p, int64_t variance) {
  const int64_t half = INT64_C(1) << (p->variance_shift - 1);
  const int64_t step = ((variance * p->variance_multiplier + half) >> p->variance_shift) + p->first_step;
  return p->multipliers[step < 0 ? 0 : step > 255 ? 255 : step];
}

void TF(rounded_layer_norm)(const tf_rounded_layer_norm_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const uint32_t columns = p->columns;
  const int32_t unit = (int32_t)(UINT32_C(1) << p->pre_shift);
  (void)scratch;
  for (uint32_t row = 0; row < p->rows; row++, x += columns, y += columns) {
    int32_t sums[2] = {0, 0};
    tf_add_up(x, columns, sums);
    const int32_t m = row_multiplier(p, (int64_t)columns * sums[1] - (int64_t)sums[0] * sums[0]);
    const int32_t factor = (int32_t)columns * unit, offset = -sums[0] * unit;
    for (uint32_t i = 0; i < columns; i++) {
      const int32_t u = tf_clamp(tf_scale(x[i] * factor + offset, m, 0), -32768, 32767);
      y[i] = (int8_t)tf_clamp((u * p->gamma[i] + p->beta[i]) >> p->post_shift, -128, 127);
    }
  }
}
