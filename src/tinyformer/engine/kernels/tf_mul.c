#include "tf_kernels.h"
#include "tf_requantize.h"
#include "tf_simd.h"

/* Four products; `zeros` are the zero points as int16 pairs. */
static inline uint32_t multiply_words(const tf_mul_params *p, uint32_t a, uint32_t b, const uint32_t zeros[2]) {
  const uint32_t a02 = tf_subtract_halves(tf_even(a), zeros[0]), a13 = tf_subtract_halves(tf_odd(a), zeros[0]);
  const uint32_t b02 = tf_subtract_halves(tf_even(b), zeros[1]), b13 = tf_subtract_halves(tf_odd(b), zeros[1]);
  int32_t y0 = tf_mac_low_low(a02, b02, 0), y1 = tf_mac_low_low(a13, b13, 0);
  int32_t y2 = tf_mac_high_high(a02, b02, 0), y3 = tf_mac_high_high(a13, b13, 0);
  /* Products have 17 bits: shifted by 10 they still fit. */
  y0 = tf_scale(y0 * (1 << p->shift), p->multiplier, p->zero_point);
  y1 = tf_scale(y1 * (1 << p->shift), p->multiplier, p->zero_point);
  y2 = tf_scale(y2 * (1 << p->shift), p->multiplier, p->zero_point);
  y3 = tf_scale(y3 * (1 << p->shift), p->multiplier, p->zero_point);
  return tf_pack_bytes(tf_saturate(y0), tf_saturate(y1), tf_saturate(y2), tf_saturate(y3));
}

/* `count` elements of both. Not inlined: the loop needs all registers. */
static TF_NOINLINE void multiply(tf_mul_params p, const int8_t *a, const int8_t *b, int8_t *y, uint32_t count) {
  const uint32_t zeros[2] = {tf_pack(p.a_zero_point, p.a_zero_point), tf_pack(p.b_zero_point, p.b_zero_point)};
  const uint32_t lows = (uint32_t)(p.low & 0xFF) * 0x01010101u, highs = (uint32_t)(p.high & 0xFF) * 0x01010101u;
  for (; count >= 4; count -= 4, a += 4, b += 4, y += 4) {
    const uint32_t word = multiply_words(&p, tf_load(a), tf_load(b), zeros);
    tf_store(y, tf_min_bytes(tf_max_bytes(word, lows), highs));
  }
  for (; count; count--) {
    const int32_t product = (*a++ - p.a_zero_point) * (*b++ - p.b_zero_point);
    *y++ = tf_requantize(product, p.multiplier, p.shift, p.zero_point, p.low, p.high);
  }
}

void TF(mul)(const tf_mul_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch) {
  (void)scratch;
  for (uint32_t first = 0; first < p->count; first += p->b_count) multiply(*p, a + first, b, y + first, p->b_count);
}
