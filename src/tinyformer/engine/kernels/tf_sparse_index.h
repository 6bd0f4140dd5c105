/* Reading the index of a block-sparse matrix (docs/sparse_encodings.md). */
#ifndef TF_SPARSE_INDEX_H
#define TF_SPARSE_INDEX_H

#include <stdint.h>

#include "tf_name.h"

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

/* Where decoding stands: at the blocks of a block row. */
typedef struct {
  tf_sparse_index index;
  const int8_t *weights;
  const int32_t *channel;
  uint32_t rows;  /* number of block rows */
  uint32_t row;   /* the current one */
  uint32_t count; /* its blocks */
} tf_sparse_decoder;

static inline void tf_next_block_row(tf_sparse_decoder *d) {
  d->row += 1 + tf_next_number(&d->index);
  if (d->row >= d->rows) d->row -= d->rows;
  d->count = tf_next_number(&d->index);
}

/* At the first block row. */
static inline tf_sparse_decoder tf_begin_decoding(const uint8_t *index, const int8_t *weights, const int32_t *channels,
                                                  uint32_t rows) {
  tf_sparse_decoder decoder = {{index, 0}, weights, channels, rows, rows - 1, 0};
  tf_next_block_row(&decoder);
  return decoder;
}

/* Where a tile in bands holds the inputs of a row's pairs: pair number p at tap[tap of p] + p * step (modulo 2^32), in bytes;
 * the tap is the upper word of p * reciprocal. */
#define TF_MOST_TAPS 25u
typedef struct {
  uint32_t reciprocal; /* 2^32 / pairs of a tap, rounded up */
  uint32_t step;
  uint32_t tap[TF_MOST_TAPS + 1]; /* the last block may reach past the last tap */
} tf_pair_places;

/* The 2 x 2 blocks of one row pair, one after the other. The assembly knows the offsets of the members. */
typedef struct {
  tf_sparse_index index;
  const int8_t *weights; /* of the block row */
  uint32_t at;           /* offset of the next weights */
  uint32_t pair;         /* number of the next pair; without places its place, 16 bytes before that of the next one */
  uint32_t left;         /* pairs left of the current block */
  uint32_t pairs;        /* pairs of a block */
  uint32_t other_rows;   /* bytes between the end of a block's row pair and its beginning in the next block */
  const tf_pair_places *places; /* or NULL */
} tf_pair_reader;

/* Place of the inputs, pair of output 0 and pair of output 1 of the next `count` pairs. */
void TF(read_pairs)(tf_pair_reader *reader, uint32_t count, uint32_t *out);

#endif
