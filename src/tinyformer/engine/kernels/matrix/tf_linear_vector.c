/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_requantize.h"
#include "tf_matrix.h"
#include "tf_simd.h"

/* Inputs as int16 pairs in the order of the weights. */
static void widen_vector(const int8_t *x, uint32_t count, uint32_t *pairs) {
  uint32_t rest = 0;
  for (; count >= 4; count -= 4, x += 4, pairs += 2) {
    const uint32_t word = tf_load(x);
    pairs[0] = tf_even(word);
    pairs[1] = tf_odd(word);
  }
  if (count) {
    memcpy(&rest, x, count);
    pairs[0] = tf_even(rest);
    pairs[1] = tf_odd(rest);
  }
}

void TF(linear_vector)(const tf_linear_vector_params *p, const int8_t *x, int8_t *y, void *scratch) {
  /* By value: what outputs are written to might be `p`, for all that a compiler knows. */
  const uint32_t outputs = p->outputs, pairs = (p->inputs + 3u) / 4 * 2, row_pairs = (outputs + 1u) / 2;
  const unsigned shift = p->shift;
  const int zero_point = p->zero_point;
  uint32_t *widened = (uint32_t *)scratch;
  for (uint32_t row = 0; row < p->rows; row++, x += p->inputs, y += outputs) {
    widen_vector(x, p->inputs, widened);
    for (uint32_t done = 0; done < row_pairs; done += 2) {
      const uint32_t row_pair[2] = {done, done + 1 < row_pairs ? done + 1 : done};
      const int8_t *const weights[2] = {p->weights + (size_t)row_pair[0] * pairs * 4,
                                        p->weights + (size_t)row_pair[1] * pairs * 4};
      const int32_t *const channel[2] = {p->channels + 4 * row_pair[0], p->channels + 4 * row_pair[1]};
      const int32_t multipliers[4] = {channel[0][2], channel[0][3], channel[1][2], channel[1][3]};
      int32_t acc[4] = {channel[0][0], channel[0][1], channel[1][0], channel[1][1]};
      TF(multiply_vector)(weights, widened, pairs, acc);
      for (uint32_t i = 0; i < 2; i++) {
        const uint32_t first = 2 * row_pair[i] + 2 > outputs ? outputs - 2u : 2 * row_pair[i]; /* may overlap */
        for (uint32_t j = 0; j < 2; j++) {
          const int32_t sum = shift ? tf_shift_saturate(acc[2 * i + j], shift) : acc[2 * i + j];
          y[first + j] = (int8_t)tf_saturate(tf_scale(sum, multipliers[2 * i + j], zero_point));
        }
      }
    }
    if (p->low > -128 || p->high < 127) TF(clamp_bytes)(y, outputs, p->low, p->high);
  }
}
