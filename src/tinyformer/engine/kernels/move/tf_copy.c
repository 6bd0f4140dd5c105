/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_copy_bytes.h"
#include "tf_kernels.h"

void TF(copy)(const tf_copy_params *p, const int8_t *x, int8_t *y, void *scratch) {
  (void)scratch;
  x += p->source_offset;
  y += p->target_offset;
  for (uint32_t i = 0; i < p->count; i++, x += p->source_stride, y += p->target_stride) tf_copy_bytes(y, x, p->bytes);
}
