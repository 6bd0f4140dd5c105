/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_kernels.h"
#include "tf_requantize.h"

void TF(masked_softmax)(const tf_masked_softmax_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const uint32_t columns = p->columns;
  uint32_t *e = (uint32_t *)scratch;
  for (uint32_t row = 0; row < p->rows; row++, x += columns, y += columns) {
    const uint8_t *mask = p->mask + row % p->mask_rows * columns;
    int32_t most = -128;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < columns; i++) most = mask[i] && x[i] > most ? x[i] : most;
    for (uint32_t i = 0; i < columns; i++) {
      e[i] = mask[i] ? p->exponentials[255 - most + x[i]] : 0;
      sum += e[i];
    }
    const int32_t reciprocal = (int32_t)(p->numerator / (sum >> p->sum_shift));
    for (uint32_t i = 0; i < columns; i++) {
      y[i] = (int8_t)tf_clamp(tf_scale((int32_t)e[i], reciprocal, p->zero_point), -128, 127);
    }
  }
}
