/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the block-sparse kernels: the index is read (docs/sparse_encodings.md), and the kept blocks become a stream
 * that meets the tiles of tf_matrix.h. */
#ifndef TF_SPARSE_H
#define TF_SPARSE_H

#include <stdint.h>

#include "tf_matrix.h"

typedef struct {
  const uint8_t *digits; /* two to a byte, the low half first */
  uint32_t shift;        /* 0 or 4: the half that comes next */
} tf_sparse_index;

/* A number is the sum of its digits; TF_INDEX_DIGIT says that another one follows. */
static inline uint32_t tf_next_number(tf_sparse_index *index) {
  uint32_t number = 0, digit;
  do {
    digit = (uint32_t)*index->digits >> index->shift & 15;
    index->digits += index->shift >> 2;
    index->shift ^= 4;
    number += digit;
  } while (digit == TF_INDEX_DIGIT);
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

/* Where a tile in bands holds the inputs of a row's pairs: pair number p at tap[tap of p] + p * step (modulo 2^32), in
 * bytes; the tap is the upper word of p * reciprocal. The assembly knows the offsets of the members. */
typedef struct {
  uint32_t reciprocal; /* 2^32 / pairs of a tap, rounded up */
  uint32_t step;
  uint32_t tap[TF_BAND_TAPS + 1]; /* the last block may reach past the last tap */
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

/* Sparse rows: only some of the input pairs, by their address. Stream, in words: the address of the first pair's inputs
 * in the tile (where TF_ARM_DSP is 0: bytes from its start), then per row pair
 *    bias 0, bias 1, (pair of output 0, pair of output 1) of the first input pair,
 *    entry, (address, pair of output 0, pair of output 1) of every other input pair,
 *    address of the next row pair's first pair (any in the tile at the end), multiplier 0, multiplier 1,
 *    2 * offset of output 0 from y, plus 1 in the last row pair.
 * The entry is the number of other pairs. Where it exceeds TF_SPARSE_PASS, the loop takes several passes: the entry is
 * TF_SPARSE_PASS plus the pairs of the first pass, 1 .. TF_SPARSE_PASS, and behind the address and weights that follow
 * a pass stands TF_SPARSE_FULL_PASS or, before the last one, TF_SPARSE_LAST_PASS. Where TF_ARM_DSP is 1, addresses of
 * code stand for these numbers: tf_sparse_entries holds the address for 0, which falls by the second word for each
 * further pair; that for TF_SPARSE_PASS + 1, which rises by the fourth word; that of a full pass and of the last one.
 * The four words after the end are read and ignored. Results are clamped to int8 only. */
#define TF_SPARSE_FULL_PASS (2 * TF_SPARSE_PASS + 1)
#define TF_SPARSE_LAST_PASS (2 * TF_SPARSE_PASS + 2)
#define TF_SPARSE_FIRST_PASS(others) ((others) == 0 ? 0 : ((others) - 1) % TF_SPARSE_PASS + 1)
void TF(sparse_rows)(const uint32_t *stream, const tf_rows *rows);

/* conv_sparse and its siblings by one way through the image. */
void TF(conv_sparse_body)(const tf_conv_sparse_params *p, const int8_t *x, int8_t *y, void *scratch,
                          const tf_tiling *tiling);

#endif
