/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_kernels.h"
#include "tf_requantize.h"
#include "tf_simd.h"
#include "tf_words.h"

/* Leading elements, a multiple of 8; returns how many. Without a shift, results before the clamp fit int16. */
static uint32_t multiply_leading(const tf_mul_params *p, const int8_t *a, const int8_t *b, int8_t *y) {
  uint32_t count = 0;
#if TF_ARM_DSP
  count = p->shift == 0 ? p->b_count & ~UINT32_C(7) : 0;
  const tf_mul_terms terms = {tf_pack(-p->a_zero_point, -p->a_zero_point), tf_pack(-p->b_zero_point, -p->b_zero_point),
                              p->multiplier, p->zero_point + 128, y + count};
  if (count) TF(mul_words)(&terms, a, b, y);
  if (count && (p->low > -128 || p->high < 127)) TF(clamp_bytes)(y, count, p->low, p->high);
#else
  (void)p, (void)a, (void)b, (void)y;
#endif
  return count;
}

/* By value: the compiler need not fear that y overlaps the parameters. */
static void multiply(tf_mul_params p, const int8_t *a, const int8_t *b, uint32_t count, int8_t *y) {
  for (uint32_t i = 0; i < count; i++) {
    const int32_t product = (a[i] - p.a_zero_point) * (b[i] - p.b_zero_point);
    y[i] = tf_requantize(product, p.multiplier, p.shift, p.zero_point, p.low, p.high);
  }
}

void TF(mul)(const tf_mul_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch) {
  (void)scratch;
  for (uint32_t first = 0; first < p->count; first += p->b_count, a += p->b_count, y += p->b_count) {
    const uint32_t done = multiply_leading(p, a, b, y);
    multiply(*p, a + done, b + done, p->b_count - done, y + done);
  }
}
