#include "tf_rows.h"
#include "tf_simd.h"

#if !TF_ARM_DSP

uint32_t *TF(widen_tile)(const int8_t *const source[4], uint32_t quads, uint32_t *tile) {
  const int8_t *a = source[0], *b = source[1], *c = source[2], *d = source[3];
  for (; quads; quads--, tile += 8) {
    const uint32_t p = tf_load(a), q = tf_load(b), r = tf_load(c), s = tf_load(d);
    a += 4, b += 4, c += 4, d += 4;
    tile[0] = tf_even(p);
    tile[1] = tf_even(q);
    tile[2] = tf_even(r);
    tile[3] = tf_even(s);
    tile[4] = tf_odd(p);
    tile[5] = tf_odd(q);
    tile[6] = tf_odd(r);
    tile[7] = tf_odd(s);
  }
  return tile;
}

#endif
