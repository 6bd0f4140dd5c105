/* Reading the index of a block-sparse matrix (docs/sparse_encodings.md). */
#ifndef TF_SPARSE_INDEX_H
#define TF_SPARSE_INDEX_H

#include <stdint.h>

typedef struct {
  const uint8_t *digits; /* two to a byte, the low half first */
  uint32_t shift;        /* 0 or 4: the half that comes next */
} tf_sparse_index;

/* A number is the sum of its digits; 15 says that another one follows. */
static inline uint32_t tf_next_number(tf_sparse_index *index) {
  uint32_t number = 0, digit;
  do {
    digit = (uint32_t)*index->digits >> index->shift & 15;
    index->digits += index->shift >> 2;
    index->shift ^= 4;
    number += digit;
  } while (digit == 15);
  return number;
}

#endif
