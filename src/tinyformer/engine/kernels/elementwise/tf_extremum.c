/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_kernels.h"
#include "tf_simd.h"

static int8_t larger(int8_t a, int8_t b) { return a > b ? a : b; }
static int8_t smaller(int8_t a, int8_t b) { return a < b ? a : b; }

void TF(extremum)(const tf_extremum_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch) {
  const uint32_t words = p->count & ~UINT32_C(3);
  (void)scratch;
  if (p->largest) {
    for (uint32_t i = 0; i < words; i += 4) tf_store(y + i, tf_max_bytes(tf_load(a + i), tf_load(b + i)));
    for (uint32_t i = words; i < p->count; i++) y[i] = larger(a[i], b[i]);
  } else {
    for (uint32_t i = 0; i < words; i += 4) tf_store(y + i, tf_min_bytes(tf_load(a + i), tf_load(b + i)));
    for (uint32_t i = words; i < p->count; i++) y[i] = smaller(a[i], b[i]);
  }
}
