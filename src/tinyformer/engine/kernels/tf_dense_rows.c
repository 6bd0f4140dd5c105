#include "tf_requantize.h"
#include "tf_rows.h"
#include "tf_simd.h"

#if !TF_ARM_DSP

void TF(dense_rows)(const uint32_t *stream, const tf_rows *rows) {
  uint32_t last;
  do {
    const uint32_t *weights = stream + 2, *end = weights + 2 * rows->pairs;
    last = end[2] & 1;
    for (int pixel = 0; pixel < 4; pixel++) {
      const uint32_t *inputs = rows->tile + pixel;
      int32_t acc[2] = {(int32_t)stream[0], (int32_t)stream[1]};
      for (const uint32_t *pair = weights; pair < end; pair += 2, inputs += 4) {
        acc[0] = tf_dot(*inputs, pair[0], acc[0]);
        acc[1] = tf_dot(*inputs, pair[1], acc[1]);
      }
      int8_t *y = rows->y + (end[2] >> 1) + pixel * rows->stride;
      y[0] = (int8_t)tf_clamp(tf_scale(acc[0], (int32_t)end[0], rows->zero_point), -128, 127);
      y[1] = (int8_t)tf_clamp(tf_scale(acc[1], (int32_t)end[1], rows->zero_point), -128, 127);
    }
    stream = end + 3;
  } while (!last);
}

#endif
