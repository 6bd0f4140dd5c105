/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_compiler.h"
#include "tf_kernels.h"
#include "tf_requantize.h"
#include "tf_words.h"

/* How many elements of a row the loops over words take: results before the clamp, at most 2^sum_shift above the zero
 * point, must fit int16, as they do for any sensible output scale. */
static uint32_t leading_elements(const tf_softmax_params *p) {
  return TF_ARM_DSP && p->sum_shift <= 14 ? p->columns & ~UINT32_C(7) : 0;
}

void TF(softmax)(const tf_softmax_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const uint32_t columns = p->columns, leading = leading_elements(p);
  uint32_t *e = (uint32_t *)scratch;
#if TF_ARM_DSP
  tf_softmax_row words = {p->exponentials, e, leading, -128, p->zero_point + 128};
#endif
  for (uint32_t row = 0; row < p->rows; row++, x += columns, y += columns) {
    int32_t most = -128;
    uint32_t sum = 0;
    TF_ROLLED for (uint32_t i = leading; i < columns; i++) most = x[i] > most ? x[i] : most;
#if TF_ARM_DSP
    if (leading) {
      words.most = most;
      sum = TF(softmax_exponents)(&words, x);
      most = words.most;
    }
#endif
    TF_ROLLED for (uint32_t i = leading; i < columns; i++) {
      e[i] = p->exponentials[255 - most + x[i]];
      sum += e[i];
    }
    const int32_t reciprocal = (int32_t)(p->numerator / (sum >> p->sum_shift));
#if TF_ARM_DSP
    if (leading) TF(softmax_words)(&words, reciprocal, y);
#endif
    TF_ROLLED for (uint32_t i = leading; i < columns; i++) {
      y[i] = (int8_t)tf_clamp(tf_scale((int32_t)e[i], reciprocal, p->zero_point), -128, 127);
    }
  }
}
