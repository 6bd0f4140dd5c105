#include "tf_simd.h"
#include "tf_sparse_index.h"

#if !TF_ARM_DSP

void TF(read_pairs)(tf_pair_reader *reader, uint32_t count, uint32_t *out) {
  for (; count; count--, out += 3) {
    if (reader->left == 0) {
      reader->tile += 16 * reader->pairs * tf_next_number(&reader->index);
      reader->left = reader->pairs;
      reader->at += reader->other_rows;
    }
    const uint32_t word = tf_load(reader->weights + reader->at);
    out[0] = reader->tile;
    out[1] = tf_even(word);
    out[2] = tf_odd(word);
    reader->tile += 16;
    reader->at += 4;
    reader->left--;
  }
}

#endif
