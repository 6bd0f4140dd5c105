/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_matrix.h"
#include "tf_simd.h"

#if !TF_ARM_DSP

uint32_t *TF(widen_rows)(const tf_window_rows *windows) {
  uint32_t *tile = windows->tile;
  for (uint32_t row = 0; row < windows->count; row++) {
    for (uint32_t pixel = 0; pixel < 4; pixel++) {
      const int8_t *from = windows->source[pixel] + row * (4 * windows->quads + windows->left + windows->step[pixel]);
      for (uint32_t quad = 0; quad < windows->quads; quad++, from += 4) {
        tile[8 * quad + pixel] = tf_even(tf_load(from));
        tile[8 * quad + pixel + 4] = tf_odd(tf_load(from));
      }
      int8_t *rest = windows->rest + pixel * windows->rest_bytes + row * windows->left;
      for (uint32_t i = 0; i < windows->left; i++) rest[i] = from[i];
    }
    tile += 8 * windows->quads;
  }
  return tile;
}

#endif
