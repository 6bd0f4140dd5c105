/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_kernels.h"
#include "tf_requantize.h"

/* By value: the compiler need not fear that y overlaps the parameters. */
static void rectify(tf_prelu_params p, const int8_t *x, int8_t *y) {
  for (uint32_t i = 0; i < p.channels; i++) {
    const int32_t acc = x[i] - p.in_zero_point;
    const int32_t multiplier = acc < 0 ? p.slopes[i] : p.multiplier;
    y[i] = tf_requantize(acc, multiplier, p.shift, p.zero_point, p.low, p.high);
  }
}

void TF(prelu)(const tf_prelu_params *p, const int8_t *x, int8_t *y, void *scratch) {
  (void)scratch;
  for (uint32_t first = 0; first < p->count; first += p->channels) rectify(*p, x + first, y + first);
}
