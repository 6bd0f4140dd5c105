/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_simd.h"
#include "tf_sparse.h"

#if !TF_ARM_DSP

void TF(read_pairs)(tf_pair_reader *reader, uint32_t count, uint32_t *out) {
  const tf_pair_places *places = reader->places;
  const uint32_t next = places ? 1 : 16;
  for (; count; count--, out += 3) {
    if (reader->left == 0) {
      reader->pair += next * reader->pairs * tf_next_number(&reader->index);
      reader->left = reader->pairs;
      reader->at += reader->other_rows;
    }
    const uint32_t word = tf_load(reader->weights + reader->at);
    if (places) {
      const uint32_t tap = (uint32_t)((uint64_t)reader->pair * places->reciprocal >> 32);
      out[0] = places->tap[tap] + reader->pair * places->step;
    } else {
      out[0] = reader->pair;
    }
    out[1] = tf_even(word);
    out[2] = tf_odd(word);
    reader->pair += next;
    reader->at += 4;
    reader->left--;
  }
}

#endif
