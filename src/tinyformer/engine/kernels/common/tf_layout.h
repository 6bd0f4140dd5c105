/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes of what kernels, their assembly and the compiler lay out alike. tinyformer.engine.packing.layout reads this
 * file, so it holds nothing but #defines of whole numbers and of sums, products and quotients, which mean the same in
 * C, in assembly and in Python. A word has 4 bytes.
 *
 * Streams, which the matrix kernels multiply tiles of pixels with, are records one after the other and then some words
 * that are read and ignored. */
#ifndef TF_LAYOUT_H
#define TF_LAYOUT_H

#define TF_STREAM_SPARE_WORDS 4 /* after the records */

/* Dense rows (tf_matrix.h): 2 biases, the weights of both outputs, 2 multipliers, the place of the outputs. */
#define TF_DENSE_RECORD_WORDS(pairs) (2 * (pairs) + 5)
#define TF_DENSE_TILE_SPARE_WORDS 1 /* after the tile */

/* Sparse rows (tf_sparse.h): address and weights of every pair; 2 biases, the entry, 2 multipliers, the place of the
 * outputs; for pairs that take further passes of the loop, the way to go behind each. A row without pairs has one of
 * zeros. */
#define TF_SPARSE_PASS 48 /* pairs that the loop is unrolled for */
#define TF_SPARSE_PAIR_WORDS 3
#define TF_SPARSE_RECORD_WORDS(pairs) (TF_SPARSE_PAIR_WORDS * (pairs) + 6 + (pairs) / TF_SPARSE_PASS)
#define TF_SPARSE_FIRST_WORDS 1 /* before the records: the address of the first pair */

/* Sparse rows of single outputs (tf_conv_sparse_single.c): bias, multiplier, place and number of the blocks; address
 * and weights of each. No spare words. */
#define TF_SINGLE_HEADER_WORDS 4
#define TF_SINGLE_BLOCK_WORDS 3

/* Tiles in bands: the largest windows, and what follows from them. */
#define TF_BAND_HEIGHT 5
#define TF_BAND_WIDTH 5
#define TF_BAND_TAPS (TF_BAND_HEIGHT * TF_BAND_WIDTH)
#define TF_BAND_COLUMNS (TF_BAND_WIDTH + 3)

/* The index of block-sparse weights: a number is the sum of its digits, and this one says that another follows. */
#define TF_INDEX_DIGIT 15

/* A channel's filter in the depthwise kernels (tf_depthwise_rows.h): bias, weights, multiplier. */
#define TF_FILTER_WORDS(size) (2 + ((size) + 1) / 2 * (size))
#define TF_3X3_PARITY_WORDS 7 /* for even or for odd rows */
#define TF_3X3_FILTER_WORDS (2 * TF_3X3_PARITY_WORDS)

/* Softmax: after the exponentials of a row. */
#define TF_SOFTMAX_SPARE_WORDS 4

#endif
