#include "tf_kernels.h"
#include "tf_requantize.h"

void TF(add)(const tf_add_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch) {
  (void)scratch;
  for (uint32_t i = 0; i < p->count; i++) {
    const int32_t sum = a[i] * p->multiplier_a + b[i] * p->multiplier_b + p->offset;
    y[i] = (int8_t)tf_clamp(sum >> p->shift, p->low, p->high);
  }
}
