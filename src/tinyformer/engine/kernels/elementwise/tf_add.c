/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_kernels.h"
#include "tf_requantize.h"
#include "tf_simd.h"
#include "tf_words.h"

#if TF_ARM_DSP

/* Whether every result before the clamp, plus 128, fits int16. */
static int fits_half_words(const tf_add_params *p) {
  const int64_t a = p->multiplier_a, b = p->multiplier_b, offset = p->offset;
  const int64_t most = 128 * ((a < 0 ? -a : a) + (b < 0 ? -b : b)) + (offset < 0 ? -offset : offset);
  return p->shift >= 2 && most < (int64_t)(INT16_MAX - 256) << p->shift;
}

/* Leading elements, a multiple of 8; returns how many. */
static uint32_t add_leading(const tf_add_params *p, const int8_t *a, const int8_t *b, int8_t *y) {
  const uint32_t count = fits_half_words(p) ? p->count & ~UINT32_C(7) : 0;
  const tf_add_terms terms = {tf_pack(p->multiplier_a, p->multiplier_b), p->offset + (INT32_C(128) << p->shift),
                              (int32_t)(UINT32_C(1) << (32 - p->shift)), y + count};
  if (count) TF(add_words)(&terms, a, b, y);
  if (count && (p->low > -128 || p->high < 127)) TF(clamp_bytes)(y, count, p->low, p->high);
  return count;
}

#else

static uint32_t add_leading(const tf_add_params *p, const int8_t *a, const int8_t *b, int8_t *y) {
  (void)p, (void)a, (void)b, (void)y;
  return 0;
}

#endif

void TF(add)(const tf_add_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch) {
  (void)scratch;
  for (uint32_t i = add_leading(p, a, b, y); i < p->count; i++) {
    const int32_t sum = a[i] * p->multiplier_a + b[i] * p->multiplier_b + p->offset;
    y[i] = (int8_t)tf_clamp(sum >> p->shift, p->low, p->high);
  }
}
