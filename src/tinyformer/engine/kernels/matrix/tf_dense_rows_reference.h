/* SPDX-License-Identifier: Apache-2.0 */
/* The dense_rows functions of tf_matrix.h in plain C. */
#ifndef TF_DENSE_ROWS_REFERENCE_H
#define TF_DENSE_ROWS_REFERENCE_H

#include "tf_requantize.h"
#include "tf_matrix.h"
#include "tf_simd.h"

TF_INLINE void tf_multiply_dense_rows(const uint32_t *stream, const tf_rows *rows, uint32_t kernel_width) {
  uint32_t last;
  do {
    const uint32_t *weights = stream + 2, *end = weights + 2 * kernel_width * rows->steps;
    last = end[2] & 1;
    for (int pixel = 0; pixel < 4; pixel++) {
      const uint32_t *inputs = rows->tile + pixel;
      int32_t acc[2] = {(int32_t)stream[0], (int32_t)stream[1]};
      for (const uint32_t *pair = weights; pair < end; inputs += kernel_width + 3) {
        for (uint32_t column = 0; column < kernel_width; column++, pair += 2) {
          acc[0] = tf_dot(inputs[column], pair[0], acc[0]);
          acc[1] = tf_dot(inputs[column], pair[1], acc[1]);
        }
      }
      int8_t *y = rows->y + (end[2] >> 1) + pixel * rows->stride;
      y[0] = (int8_t)tf_clamp(tf_scale(acc[0], (int32_t)end[0], rows->zero_point), -128, 127);
      y[1] = (int8_t)tf_clamp(tf_scale(acc[1], (int32_t)end[1], rows->zero_point), -128, 127);
    }
    stream = end + 3;
  } while (!last);
}

#endif
