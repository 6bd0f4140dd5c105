/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tf_kernels.h"

void TF(pad)(const tf_pad_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const uint16_t *in = p->in_shape, *out = p->out_shape, *before = p->before;
  const size_t total = (size_t)out[0] * out[1] * out[2] * out[3];
  (void)scratch;
  memset(y, p->value, total);
  for (size_t i = 0; i < in[0]; i++) {
    for (size_t j = 0; j < in[1]; j++) {
      for (size_t k = 0; k < in[2]; k++, x += in[3]) {
        const size_t row = ((i + before[0]) * out[1] + j + before[1]) * out[2] + k + before[2];
        memcpy(y + row * out[3] + before[3], x, in[3]);
      }
    }
  }
}
