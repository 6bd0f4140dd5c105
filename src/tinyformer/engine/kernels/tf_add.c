#include "tf_rows.h"
#include "tf_simd.h"

/* What all elements have in common. */
typedef struct {
  uint32_t multipliers;
  int32_t offset;
  int shift;
} scale;

/* Four sums. */
static inline uint32_t add_words(const scale *s, uint32_t a, uint32_t b) {
  const uint32_t a02 = tf_even(a), b02 = tf_even(b), a13 = tf_odd(a), b13 = tf_odd(b), m = s->multipliers;
  const int32_t s0 = tf_mac_low_high(b02, m, tf_mac_low_low(a02, m, s->offset));
  const int32_t s1 = tf_mac_low_high(b13, m, tf_mac_low_low(a13, m, s->offset));
  const int32_t s2 = tf_mac_high_high(b02, m, tf_mac_high_low(a02, m, s->offset));
  const int32_t s3 = tf_mac_high_high(b13, m, tf_mac_high_low(a13, m, s->offset));
  return tf_pack_bytes(tf_saturate(s0 >> s->shift), tf_saturate(s1 >> s->shift), tf_saturate(s2 >> s->shift),
                       tf_saturate(s3 >> s->shift));
}

void TF(add)(const tf_add_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch) {
  const scale s = {tf_pack(p->multiplier_a, p->multiplier_b), p->offset, p->shift};
  uint32_t count = p->count;
  (void)scratch;
  for (; count >= 8; count -= 8, a += 8, b += 8, y += 8) {
    const uint32_t a0 = tf_load(a), b0 = tf_load(b), a1 = tf_load(a + 4), b1 = tf_load(b + 4);
    tf_store(y, add_words(&s, a0, b0));
    tf_store(y + 4, add_words(&s, a1, b1));
  }
  for (; count; count--) {
    *y++ = (int8_t)tf_saturate((*a++ * p->multiplier_a + *b++ * p->multiplier_b + p->offset) >> p->shift);
  }
  if (p->low > -128 || p->high < 127) TF(clamp_bytes)(y - p->count, p->count, p->low, p->high);
}
