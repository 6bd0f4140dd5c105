#include "tf_kernels.h"
#include "tf_requantize.h"

static int largest(const int8_t *x, uint32_t count) {
  int most = x[0];
  for (uint32_t i = 1; i < count; i++) most = x[i] > most ? x[i] : most;
  return most;
}

void TF(softmax)(const tf_softmax_params *p, const int8_t *x, int8_t *y, void *scratch) {
  uint32_t *exponentials = (uint32_t *)scratch;
  for (uint32_t row = 0; row < p->rows; row++, x += p->columns, y += p->columns) {
    const int most = largest(x, p->columns);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < p->columns; i++) {
      exponentials[i] = p->exponentials[most - x[i]];
      sum += exponentials[i];
    }
    const int32_t reciprocal = (int32_t)(p->numerator / (sum >> p->sum_shift));
    for (uint32_t i = 0; i < p->columns; i++) {
      y[i] = (int8_t)tf_clamp(tf_scale((int32_t)exponentials[i], reciprocal, p->zero_point), -128, 127);
    }
  }
}
