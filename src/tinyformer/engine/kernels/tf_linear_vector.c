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
  const uint32_t pairs = (p->inputs + 3u) / 4 * 2;
  uint32_t *widened = (uint32_t *)scratch;
  for (uint32_t row = 0; row < p->rows; row++, x += p->inputs, y += p->outputs) {
    const int8_t *weights = p->weights;
    const int32_t *channel = p->channels;
    widen_vector(x, p->inputs, widened);
    for (uint32_t output = 0; output < p->outputs; output += 2, weights += 4 * pairs, channel += 4) {
      const uint32_t first = output + 2 > p->outputs ? output - 1 : output; /* the last row pair may overlap */
      int32_t acc[2] = {channel[0], channel[1]};
      TF(multiply_vector)(weights, widened, pairs, acc);
      for (uint32_t i = 0; i < 2; i++) {
        y[first + i] = tf_requantize(acc[i], channel[2 + i], p->shift, p->zero_point, p->low, p->high);
      }
    }
  }
}
