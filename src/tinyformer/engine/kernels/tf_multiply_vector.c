#include "tf_rows.h"
#include "tf_simd.h"

#if !TF_ARM_DSP

void TF(multiply_vector)(const int8_t *weights, const uint32_t *x, uint32_t pairs, int32_t acc[2]) {
  for (; pairs; pairs--, weights += 4, x++) {
    const uint32_t word = tf_load(weights);
    acc[0] = tf_dot(tf_even(word), *x, acc[0]);
    acc[1] = tf_dot(tf_odd(word), *x, acc[1]);
  }
}

#endif
