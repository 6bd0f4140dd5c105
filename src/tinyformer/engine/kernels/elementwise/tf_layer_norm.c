/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_compiler.h"
#include "tf_kernels.h"
#include "tf_requantize.h"
#include "tf_row_sums.h"

/* Floor of the square root of v in [2^30, 2^32). The secant between both ends is at most 6 % too small, and a step of
 * Newton's method turns a relative error of d into an excess of d^2 / 2: after two steps less than one is left to
 * subtract. */
static uint32_t square_root(uint32_t v) {
  uint32_t root = (v >> 15) / 3 + 21846;
  root = (root + v / root) / 2;
  root = (root + v / root) / 2;
  return root - (root > 0xFFFF || root * root > v);
}

static int bit_length(uint64_t v) {
#if defined(__GNUC__)
  return 64 - __builtin_clzll(v);
#else
  int bits = 0;
  for (; v; v >>= 1) bits++;
  return bits;
#endif
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

/* u = (x * factor + offset) * multiplier / 2^32, y = (u * gamma + beta) >> post_shift */
static void normalize(const tf_layer_norm_params *p, const int8_t *x, int32_t factor, int32_t offset,
                      int32_t multiplier, int8_t *y) {
  uint32_t done = 0;
#if TF_ARM_DSP
  done = p->post_shift >= 16 ? p->columns & ~UINT32_C(3) : 0; /* the shifted sums then fit int16 */
  const tf_layer_norm_terms terms = {
      factor * 256, offset, multiplier, p->post_shift - 16, p->gamma, p->beta, y + (done ? done - 4 : 0)};
  if (done) TF(layer_norm_words)(&terms, x, y);
#endif
  TF_ROLLED for (uint32_t i = done; i < p->columns; i++) {
    const int32_t u = tf_scale(x[i] * factor + offset, multiplier, 0);
    y[i] = (int8_t)tf_clamp((u * p->gamma[i] + p->beta[i]) >> p->post_shift, -128, 127);
  }
}

void TF(layer_norm)(const tf_layer_norm_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const uint32_t columns = p->columns;
  const int32_t unit = (int32_t)(UINT32_C(1) << p->pre_shift);
  (void)scratch;
  for (uint32_t row = 0; row < p->rows; row++, x += columns, y += columns) {
    int32_t sums[2] = {0, 0};
    tf_add_up(x, columns, sums);
    const int64_t variance = (int64_t)columns * sums[1] - (int64_t)sums[0] * sums[0] + p->epsilon;
    normalize(p, x, (int32_t)columns * unit, -sums[0] * unit, row_multiplier((uint64_t)variance, p->pre_shift), y);
  }
}
