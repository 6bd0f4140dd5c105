#include "tf_kernels.h"
#include "tf_requantize.h"
#include "tf_simd.h"

/* Floor of the square root of v in [2^30, 2^32), bit by bit. */
static uint32_t square_root(uint32_t v) {
  uint32_t root = UINT32_C(1) << 15, bit = UINT32_C(1) << 14;
  for (; bit; bit >>= 1) {
    if ((root | bit) * (root | bit) <= v) root |= bit;
  }
  return root;
}

static int bit_length(uint64_t v) {
  int bits = 0;
  for (; v; v >>= 1) bits++;
  return bits;
}

/* The multiplier of a row with variance n^2 * sigma^2 = `variance` (docs/integer_semantics.md, "LayerNorm"). */
static int32_t row_multiplier(uint64_t variance, int pre_shift) {
  const int spare = 32 - bit_length(variance);
  const int k = spare >= 0 ? spare / 2 : -((1 - spare) / 2);
  const uint32_t normalized = (uint32_t)(k >= 0 ? variance << (2 * k) : variance >> (-2 * k));
  const uint32_t reciprocal = (UINT32_C(1) << 31) / square_root(normalized);
  const int exponent = k + 11 - pre_shift;
  return (int32_t)(exponent >= 0 ? reciprocal << exponent : reciprocal >> -exponent);
}

/* What the elements of a row have in common: u = (x * factor + offset) * multiplier / 2^32. */
typedef struct {
  int32_t factor, offset, multiplier;
  int shift;
} row_scale;

static inline int32_t normalize(const row_scale *s, int32_t x) {
  return tf_high_product(x * s->factor + s->offset, s->multiplier);
}

/* Not inlined: the loops need all registers. Four elements go step by step together, so that none waits for a product. */
static TF_NOINLINE void normalize_row(row_scale s, const int8_t *x, const int16_t *gamma, const int32_t *beta,
                                      uint32_t count, int8_t *y) {
  for (; count >= 4; count -= 4, x += 4, y += 4, gamma += 4, beta += 4) {
    int32_t a = normalize(&s, x[0]), b = normalize(&s, x[1]), c = normalize(&s, x[2]), d = normalize(&s, x[3]);
    a = a * gamma[0] + beta[0];
    b = b * gamma[1] + beta[1];
    c = c * gamma[2] + beta[2];
    d = d * gamma[3] + beta[3];
    a = tf_saturate(a >> s.shift);
    b = tf_saturate(b >> s.shift);
    c = tf_saturate(c >> s.shift);
    d = tf_saturate(d >> s.shift);
    tf_store(y, tf_pack_bytes(a, b, c, d));
  }
  for (; count; count--, x++, gamma++, beta++, y++) {
    *y = (int8_t)tf_saturate((normalize(&s, *x) * *gamma + *beta) >> s.shift);
  }
}

void TF(layer_norm)(const tf_layer_norm_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const uint32_t columns = p->columns;
  const int32_t unit = (int32_t)(UINT32_C(1) << p->pre_shift);
  (void)scratch;
  for (uint32_t row = 0; row < p->rows; row++, x += columns, y += columns) {
    int32_t sum = 0, squares = 0;
    uint32_t i = 0;
    for (; i + 4 <= columns; i += 4) {
      const uint32_t word = tf_load(x + i), even = tf_even(word), odd = tf_odd(word);
      sum = tf_dot(odd, 0x00010001u, tf_dot(even, 0x00010001u, sum));
      squares = tf_dot(odd, odd, tf_dot(even, even, squares));
    }
    for (; i < columns; i++) {
      sum += x[i];
      squares += x[i] * x[i];
    }
    const int64_t variance = (int64_t)columns * squares - (int64_t)sum * sum + p->epsilon;
    const row_scale scale = {(int32_t)columns * unit, -sum * unit, row_multiplier((uint64_t)variance, p->pre_shift),
                             p->post_shift};
    normalize_row(scale, x, p->gamma, p->beta, columns, y);
  }
}
