#include "tf_kernels.h"
#include "tf_requantize.h"

void TF(mul)(const tf_mul_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch) {
  (void)scratch;
  for (uint32_t first = 0; first < p->count; first += p->b_count) {
    for (uint32_t i = 0; i < p->b_count; i++) {
      const int32_t product = (a[first + i] - p->a_zero_point) * (b[i] - p->b_zero_point);
      y[first + i] = tf_requantize(product, p->multiplier, p->shift, p->zero_point, p->low, p->high);
    }
  }
}
