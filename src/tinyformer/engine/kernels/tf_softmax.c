#include "tf_kernels.h"
#include "tf_requantize.h"
#include "tf_simd.h"

static int largest(const int8_t *x, uint32_t count) {
  int most = -128;
  if (count >= 4) {
    uint32_t words = 0x80808080u;
    for (; count >= 4; count -= 4, x += 4) words = tf_max_bytes(words, tf_load(x));
    words = tf_max_bytes(words, words >> 16 | words << 16);
    most = (int8_t)(tf_max_bytes(words, words >> 8 | words << 24) & 0xFF);
  }
  for (; count; count--, x++) most = *x > most ? *x : most;
  return most;
}

/* e[i] = table[most - x[i]]; returns their sum. */
static uint32_t exponentiate(const int8_t *x, uint32_t count, int most, const uint32_t *table, uint32_t *e) {
  const uint32_t mosts = (uint32_t)(most & 0xFF) * 0x01010101u;
  uint32_t sum = 0;
  for (; count >= 4; count -= 4, x += 4, e += 4) {
    const uint32_t distances = tf_subtract_bytes(mosts, tf_load(x));
    const uint32_t a = table[distances & 0xFF], b = table[distances >> 8 & 0xFF];
    const uint32_t c = table[distances >> 16 & 0xFF], d = table[distances >> 24];
    e[0] = a;
    e[1] = b;
    e[2] = c;
    e[3] = d;
    sum += a + b + c + d;
  }
  for (; count; count--, x++) sum += *e++ = table[most - *x];
  return sum;
}

static void normalize(const uint32_t *e, uint32_t count, int32_t reciprocal, int32_t zero_point, int8_t *y) {
  for (; count >= 4; count -= 4, e += 4, y += 4) {
    const int32_t a = tf_saturate(tf_scale((int32_t)e[0], reciprocal, zero_point));
    const int32_t b = tf_saturate(tf_scale((int32_t)e[1], reciprocal, zero_point));
    const int32_t c = tf_saturate(tf_scale((int32_t)e[2], reciprocal, zero_point));
    const int32_t d = tf_saturate(tf_scale((int32_t)e[3], reciprocal, zero_point));
    tf_store(y, tf_pack_bytes(a, b, c, d));
  }
  for (; count; count--) *y++ = (int8_t)tf_saturate(tf_scale((int32_t)*e++, reciprocal, zero_point));
}

void TF(softmax)(const tf_softmax_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const uint32_t columns = p->columns;
  uint32_t *e = (uint32_t *)scratch;
  for (uint32_t row = 0; row < p->rows; row++, x += columns, y += columns) {
    const uint32_t sum = exponentiate(x, columns, largest(x, columns), p->exponentials, e);
    normalize(e, columns, (int32_t)(p->numerator / (sum >> p->sum_shift)), p->zero_point, y);
  }
}
