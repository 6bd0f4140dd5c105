/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_kernels.h"
#include "tf_requantize.h"

/* By value: the compiler need not fear that y overlaps the parameters. */
static void divide(tf_div_params p, const int8_t *a, const int8_t *b, int8_t *y) {
  for (uint32_t i = 0; i < p.count; i++) {
    const int32_t acc = a[i] - p.a_zero_point;
    const int32_t multiplier = p.multipliers[b[i] + 128];
    if (multiplier == INT32_MIN) {
      y[i] = (int8_t)(acc > 0 ? p.high : p.low);
    } else {
      y[i] = tf_requantize(acc, multiplier, p.shift, p.zero_point, p.low, p.high);
    }
  }
}

void TF(div)(const tf_div_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch) {
  (void)scratch;
  divide(*p, a, b, y);
}
