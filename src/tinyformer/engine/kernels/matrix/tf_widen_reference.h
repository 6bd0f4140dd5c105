/* SPDX-License-Identifier: Apache-2.0 */
/* The widen functions of tf_matrix.h in plain C. */
#ifndef TF_WIDEN_REFERENCE_H
#define TF_WIDEN_REFERENCE_H

#include "tf_matrix.h"
#include "tf_simd.h"

TF_INLINE uint32_t *tf_widen(const int8_t *const source[], uint32_t quads, uint32_t *tile, uint32_t columns) {
  for (uint32_t at = 0; at < 4 * quads; at += 4, tile += 2 * columns) {
    for (uint32_t column = 0; column < columns; column++) {
      const uint32_t word = tf_load(source[column] + at);
      tile[column] = tf_even(word);
      tile[column + columns] = tf_odd(word);
    }
  }
  return tile;
}

#endif
