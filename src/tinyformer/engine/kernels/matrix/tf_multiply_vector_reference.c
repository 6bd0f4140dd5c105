/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_matrix.h"
#include "tf_simd.h"

#if !TF_ARM_DSP

void TF(multiply_vector)(const int8_t *const weights[2], const uint32_t *x, uint32_t pairs, int32_t acc[4]) {
  for (uint32_t pair = 0; pair < pairs; pair++) {
    for (uint32_t row_pair = 0; row_pair < 2; row_pair++) {
      const uint32_t word = tf_load(weights[row_pair] + 4 * pair);
      acc[2 * row_pair] = tf_dot(tf_even(word), x[pair], acc[2 * row_pair]);
      acc[2 * row_pair + 1] = tf_dot(tf_odd(word), x[pair], acc[2 * row_pair + 1]);
    }
  }
}

#endif
