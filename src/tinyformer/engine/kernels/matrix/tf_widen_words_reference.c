/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_matrix.h"
#include "tf_simd.h"

#if !TF_ARM_DSP

uint32_t *TF(widen_words)(const int8_t *words, uint32_t count, uint32_t *out) {
  for (; count; count--, words += 4) {
    *out++ = tf_even(tf_load(words));
    *out++ = tf_odd(tf_load(words));
  }
  return out;
}

#endif
