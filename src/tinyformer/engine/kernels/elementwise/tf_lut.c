/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_compiler.h"
#include "tf_kernels.h"
#include "tf_words.h"

void TF(lut)(const tf_lut_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const int8_t *table = p->table + 128;
  uint32_t done = 0;
  (void)scratch;
#if TF_ARM_DSP
  done = p->count & ~UINT32_C(7);
  if (done) TF(lut_words)(p->table, x, y, y + done);
#endif
  TF_ROLLED for (uint32_t i = done; i < p->count; i++) y[i] = table[x[i]];
}
