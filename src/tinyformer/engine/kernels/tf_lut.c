#include "tf_kernels.h"

void TF(lut)(const tf_lut_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const int8_t *table = p->table + 128;
  (void)scratch;
  for (uint32_t i = 0; i < p->count; i++) y[i] = table[x[i]];
}
