#include "tf_requantize.h"
#include "tf_rows.h"
#include "tf_simd.h"

void TF(clamp_bytes)(int8_t *y, uint32_t count, int low, int high) {
  const uint32_t lows = (uint32_t)(low & 0xFF) * 0x01010101u, highs = (uint32_t)(high & 0xFF) * 0x01010101u;
  for (; count >= 4; count -= 4, y += 4) {
    const uint32_t word = tf_min_bytes(tf_max_bytes(tf_load(y), lows), highs);
    memcpy(y, &word, 4);
  }
  for (; count; count--, y++) *y = (int8_t)tf_clamp(*y, low, high);
}
