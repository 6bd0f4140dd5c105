#include "tf_requantize.h"
#include "tf_rows.h"
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
  const uint32_t pairs = (p->inputs + 3u) / 4 * 2, row_pairs = (p->outputs + 1u) / 2;
  uint32_t *widened = (uint32_t *)scratch;
  for (uint32_t row = 0; row < p->rows; row++, x += p->inputs, y += p->outputs) {
    widen_vector(x, p->inputs, widened);
    for (uint32_t done = 0; done < row_pairs; done += 2) {
      const uint32_t row_pair[2] = {done, done + 1 < row_pairs ? done + 1 : done};
      const int8_t *const weights[2] = {p->weights + (size_t)row_pair[0] * pairs * 4,
                                        p->weights + (size_t)row_pair[1] * pairs * 4};
      const int32_t *const channel[2] = {p->channels + 4 * row_pair[0], p->channels + 4 * row_pair[1]};
      int32_t acc[4] = {channel[0][0], channel[0][1], channel[1][0], channel[1][1]};
      TF(multiply_vector)(weights, widened, pairs, acc);
      for (uint32_t i = 0; i < 2; i++) {
        const uint32_t first = 2 * row_pair[i] + 2 > p->outputs ? p->outputs - 2u : 2 * row_pair[i]; /* may overlap */
        for (uint32_t j = 0; j < 2; j++) {
          y[first + j] = tf_requantize(acc[2 * i + j], channel[i][2 + j], p->shift, p->zero_point, p->low, p->high);
        }
      }
    }
  }
}
