/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tf_copy_bytes.h"
#include "tf_kernels.h"

/* Single bytes: the common case of a permutation of channels. */
static void rearrange_bytes(const tf_rearrange_params *p, const int8_t *x, int8_t *y) {
  for (uint32_t i = 0; i < p->rows; i++) {
    const int32_t row = p->row_offsets[i];
    for (uint32_t j = 0; j < p->columns; j++) {
      const int32_t offset = row + p->column_offsets[j];
      *y++ = offset < 0 ? (int8_t)p->value : x[offset];
    }
  }
}

void TF(rearrange)(const tf_rearrange_params *p, const int8_t *x, int8_t *y, void *scratch) {
  (void)scratch;
  if (p->bytes == 1) {
    rearrange_bytes(p, x, y);
    return;
  }
  for (uint32_t i = 0; i < p->rows; i++) {
    const int32_t row = p->row_offsets[i];
    for (uint32_t j = 0; j < p->columns; j++, y += p->bytes) {
      const int32_t offset = row + p->column_offsets[j];
      if (offset < 0) {
        memset(y, p->value, p->bytes);
      } else {
        tf_copy_bytes(y, x + offset, p->bytes);
      }
    }
  }
}
