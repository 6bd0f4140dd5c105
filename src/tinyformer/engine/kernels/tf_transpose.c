#include "tf_kernels.h"

void TF(transpose)(const tf_transpose_params *p, const int8_t *x, int8_t *y, void *scratch) {
  (void)scratch;
  for (int i = 0; i < p->shape[0]; i++) {
    for (int j = 0; j < p->shape[1]; j++) {
      for (int k = 0; k < p->shape[2]; k++) {
        const int8_t *line = x + i * p->strides[0] + j * p->strides[1] + k * p->strides[2];
        for (int l = 0; l < p->shape[3]; l++) *y++ = line[l * p->strides[3]];
      }
    }
  }
}
