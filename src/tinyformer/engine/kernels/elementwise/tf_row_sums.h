/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernels of LayerNorm know of a row. */
#ifndef TF_ROW_SUMS_H
#define TF_ROW_SUMS_H

#include "tf_compiler.h"
#include "tf_words.h"

/* Adds the sum and the sum of squares of x to sums[0] and sums[1]. */
TF_INLINE void tf_add_up(const int8_t *x, uint32_t count, int32_t sums[2]) {
  uint32_t done = 0;
#if TF_ARM_DSP
  done = count & ~UINT32_C(7);
  if (done) TF(layer_norm_sums)(x, x + done, sums);
#endif
  TF_ROLLED for (uint32_t i = done; i < count; i++) {
    sums[0] += x[i];
    sums[1] += x[i] * x[i];
  }
}

#endif
