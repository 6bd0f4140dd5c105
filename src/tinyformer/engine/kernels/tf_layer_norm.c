#include "tf_kernels.h"
#include "tf_requantize.h"

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

void TF(layer_norm)(const tf_layer_norm_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const int32_t n = (int32_t)p->columns;
  const int32_t unit = (int32_t)(UINT32_C(1) << p->pre_shift);
  (void)scratch;
  for (uint32_t row = 0; row < p->rows; row++, x += n, y += n) {
    int32_t sum = 0, squares = 0;
    for (int32_t i = 0; i < n; i++) {
      sum += x[i];
      squares += x[i] * x[i];
    }
    const int64_t variance = (int64_t)n * squares - (int64_t)sum * sum + p->epsilon;
    const int32_t multiplier = row_multiplier((uint64_t)variance, p->pre_shift);
    for (int32_t i = 0; i < n; i++) {
      const int32_t u = tf_scale((n * x[i] - sum) * unit, multiplier, 0);
      y[i] = (int8_t)tf_clamp((u * p->gamma[i] + p->beta[i]) >> p->post_shift, -128, 127);
    }
  }
}
