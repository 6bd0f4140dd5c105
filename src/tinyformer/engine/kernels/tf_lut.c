#include "tf_kernels.h"
#include "tf_simd.h"

void TF(lut)(const tf_lut_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const uint8_t *table = (const uint8_t *)p->table;
  uint32_t count = p->count;
  (void)scratch;
  for (; count >= 4; count -= 4, x += 4, y += 4) {
    const uint32_t word = tf_load(x) ^ 0x80808080u; /* each byte plus 128 */
    const uint32_t a = table[word & 0xFF], b = table[word >> 8 & 0xFF];
    const uint32_t c = table[word >> 16 & 0xFF], d = table[word >> 24];
    tf_store(y, a | b << 8 | c << 16 | d << 24);
  }
  for (; count; count--) *y++ = p->table[*x++ + 128];
}
