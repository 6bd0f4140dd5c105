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

/* Both outputs of a row pair. Not inlined: the loop needs all registers. */
static TF_NOINLINE void multiply(const int8_t *weights, const uint32_t *x, uint32_t pairs, int32_t acc[2]) {
  int32_t first = acc[0], second = acc[1];
  for (; pairs >= 4; pairs -= 4, weights += 16, x += 4) {
    const uint32_t a = tf_load(weights), b = tf_load(weights + 4), c = tf_load(weights + 8), d = tf_load(weights + 12);
    first = tf_dot(tf_even(a), x[0], first);
    second = tf_dot(tf_odd(a), x[0], second);
    first = tf_dot(tf_even(b), x[1], first);
    second = tf_dot(tf_odd(b), x[1], second);
    first = tf_dot(tf_even(c), x[2], first);
    second = tf_dot(tf_odd(c), x[2], second);
    first = tf_dot(tf_even(d), x[3], first);
    second = tf_dot(tf_odd(d), x[3], second);
  }
  for (; pairs; pairs--, weights += 4, x++) {
    first = tf_dot(tf_even(tf_load(weights)), *x, first);
    second = tf_dot(tf_odd(tf_load(weights)), *x, second);
  }
  acc[0] = first;
  acc[1] = second;
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
      multiply(weights, widened, pairs, acc);
      for (uint32_t i = 0; i < 2; i++) {
        y[first + i] = tf_requantize(acc[i], channel[2 + i], p->shift, p->zero_point, p->low, p->high);
      }
    }
  }
}
