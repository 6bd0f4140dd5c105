/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_kernels.h"
#include "tf_requantize.h"

void TF(batch_matmul)(const tf_batch_matmul_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch) {
  (void)scratch;
  for (int batch = 0; batch < p->batch; batch++) {
    for (int i = 0; i < p->rows; i++) {
      for (int j = 0; j < p->columns; j++) {
        const int8_t *left = a + batch * p->a_strides[0] + i * p->a_strides[1];
        const int8_t *right = b + batch * p->b_strides[0] + j * p->b_strides[2];
        int32_t acc = 0;
        for (int q = 0; q < p->depth; q++) {
          acc += (left[q * p->a_strides[2]] - p->a_zero_point) * (right[q * p->b_strides[1]] - p->b_zero_point);
        }
        y[batch * p->y_strides[0] + i * p->y_strides[1] + j * p->y_strides[2]] =
            tf_requantize(acc, p->multiplier, p->shift, p->zero_point, p->low, p->high);
      }
    }
  }
}
