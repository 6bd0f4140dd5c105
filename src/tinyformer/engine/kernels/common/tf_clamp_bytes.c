/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_compiler.h"
#include "tf_requantize.h"
#include "tf_simd.h"

void TF(clamp_bytes)(int8_t *y, uint32_t count, int low, int high) {
  const uint32_t lows = (uint32_t)(low & 0xFF) * 0x01010101u, highs = (uint32_t)(high & 0xFF) * 0x01010101u;
  for (; count >= 8; count -= 8, y += 8) {
    const uint32_t first = tf_min_bytes(tf_max_bytes(tf_load(y), lows), highs);
    const uint32_t second = tf_min_bytes(tf_max_bytes(tf_load(y + 4), lows), highs);
    tf_store(y, first);
    tf_store(y + 4, second);
  }
  TF_ROLLED for (; count; count--, y++) *y = (int8_t)tf_clamp(*y, low, high);
}
