/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels of SparseEngine: one operator on INT8 tensors each.
 *
 * Contract of every kernel
 *  - `p` is constant, usually in flash; whatever it points to must outlive the call.
 *  - `x`, `a`, `b` are inputs, `y` the output: row-major, NHWC. No alignment is required of them. Unless a kernel says
 *    that it works in place, the output overlaps no input; in place means the very same address.
 *  - `scratch` is working memory owned by the caller, aligned to 8 bytes, undefined before and after the call. Its size
 *    is computed by the compiler (tinyformer.engine.packing; macros are those of tf_layout.h). It is read far more
 *    often than anything else: put it into tightly coupled memory where the chip has some. NULL where the size is 0.
 *  - Kernels keep no state, allocate nothing, never fail; arguments are not checked at run time.
 *
 * Requantization (docs/integer_semantics.md):
 *    y = clamp(zero_point + ((acc' * m + 2^31) >> 32), low, high), acc' = saturate_int32(acc << shift)
 * with 0 <= m < 2^31, 0 <= shift <= 10, -128 <= low <= high <= 127. `multiplier_step` is 1 where `multipliers` holds
 * one entry an output channel and 0 where it holds a single one.
 */
#ifndef TF_KERNELS_H
#define TF_KERNELS_H

#include <stdint.h>

#include "tf_name.h"

#if defined(__GNUC__)
#define TF_ALIGNED(bytes) __attribute__((aligned(bytes)))
#else
#define TF_ALIGNED(bytes)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Where the windows of a convolution lie. Cells outside the image read as pad_value. */
typedef struct {
  uint16_t in_height, in_width, in_channels;
  uint16_t out_height, out_width, out_channels;
  uint16_t kernel_height, kernel_width;
  uint16_t stride_y, stride_x;
  uint16_t pad_top, pad_left;
  uint16_t dilation_y, dilation_x;
  int16_t pad_value;
} tf_window;

/* Convolution of any kind, including 1x1 and linear layers (height 1, width = rows). Weights are
 * (O, KH, KW, I / groups). Scratch: none. */
typedef struct {
  tf_window window;
  uint16_t groups;
  const int8_t *weights;
  const int32_t *bias;
  const int32_t *multipliers;
  uint8_t multiplier_step;
  uint8_t shift;
  int16_t zero_point, low, high;
} tf_conv_params;
void TF(conv)(const tf_conv_params *p, const int8_t *x, int8_t *y, void *scratch);

/* Convolution without groups, fast: as conv, for at least 4 output pixels and 2 outputs, without dilation where the
 * channels are no multiple of 4. Weights are widened to int16 in scratch, `group_rows` row pairs at a time, and
 * multiplied with four pixels at a time. The inputs of an output are padded with zeros to `pairs` * 2, a multiple of 4.
 * They are its taps in row-major order with all channels each; where the channels are no multiple of 4, with
 * row = kernel_width * channels, row / 4 * 4 inputs of each row of taps and then the rest of each row.
 * The requantization's shift is applied to the weights: |weight| << weight_shift fits int16.
 * Scratch: 4 * (group_rows * TF_DENSE_RECORD_WORDS(pairs) + TF_STREAM_SPARE_WORDS) for the weights,
 * 4 * (tile_words + TF_DENSE_TILE_SPARE_WORDS) for pixels, and where the channels are a multiple of 4: channels, else
 * 4 * kernel_height * row and 16 * ceil(kernel_height * (row % 4) / 4); tile_words is 4 * pairs. */
typedef struct {
  tf_window window;
  uint16_t pairs, row_pairs, group_rows, band_rows;
  uint32_t tile_words;
  const int8_t *weights; /* per row pair and input pair: (output 0, output 1) at the first input, then at the second */
  const int32_t *channels; /* per row pair: bias 0, bias 1, multiplier 0, multiplier 1 */
  uint8_t weight_shift;
  int16_t zero_point, low, high;
} tf_conv_dense_params;
void TF(conv_dense)(const tf_conv_dense_params *p, const int8_t *x, int8_t *y, void *scratch);

/* The same for kernels of width K = 3 or 5 with stride 1 and no dilation, channels that are a multiple of 4 and
 * out_width at least 4: cells that neighbouring windows share are widened once for `band_rows` rows of four outputs, so
 * that tile_words is (kernel_height + band_rows - 1) * (K + 3) * channels / 2. Weights are in the order (ky, input pair
 * of a cell, kx). */
void TF(conv_dense_3)(const tf_conv_dense_params *p, const int8_t *x, int8_t *y, void *scratch);
void TF(conv_dense_5)(const tf_conv_dense_params *p, const int8_t *x, int8_t *y, void *scratch);

/* Linear layer, fast for few rows: weights are multiplied from where they lie, laid out as in conv_dense, at least 2
 * outputs; biases are not shifted. Scratch: 8 * ceil(inputs / 4) bytes. */
typedef struct {
  uint16_t rows, inputs, outputs;
  const int8_t *weights;
  const int32_t *channels; /* per row pair: bias 0, bias 1, multiplier 0, multiplier 1 */
  uint8_t shift;
  int16_t zero_point, low, high;
} tf_linear_vector_params;
void TF(linear_vector)(const tf_linear_vector_params *p, const int8_t *x, int8_t *y, void *scratch);

/* Convolution without groups and with block-sparse weights (docs/sparse_encodings.md), fast: as conv_dense, but only
 * the blocks that are stored are multiplied. A block covers 2 * block_row_pairs outputs and 2 * block_pairs inputs.
 * Where the channels are no multiple of 4, kernel_height is 1.
 * Scratch: 4 * stream_words for expanded rows, 4 * tile_words for four pixels, and what conv_dense needs beside these;
 * tile_words is 4 * pairs. stream_words must hold TF_SPARSE_FIRST_WORDS, TF_SPARSE_RECORD_WORDS for each row pair of
 * the largest block row, and TF_STREAM_SPARE_WORDS. */
typedef struct {
  tf_window window;
  uint16_t pairs, block_rows, band_rows;
  uint8_t block_row_pairs, block_pairs;
  uint32_t tile_words, stream_words;
  const uint8_t *index;    /* per block row: rows skipped, blocks, and for each block the blocks skipped */
  const int8_t *weights;   /* per block, row pair, input pair: four bytes as in conv_dense */
  const int32_t *channels; /* per row pair in the order of the index: bias 0, bias 1, multiplier 0, multiplier 1 */
  int16_t zero_point, low, high;
} tf_conv_sparse_params;
void TF(conv_sparse)(const tf_conv_sparse_params *p, const int8_t *x, int8_t *y, void *scratch);

/* The same for what conv_dense_3 and conv_dense_5 serve, with a kernel_height of at most 5. band_rows is 1. */
void TF(conv_sparse_3)(const tf_conv_sparse_params *p, const int8_t *x, int8_t *y, void *scratch);
void TF(conv_sparse_5)(const tf_conv_sparse_params *p, const int8_t *x, int8_t *y, void *scratch);

/* The same as conv_sparse with blocks of one output and four inputs: block_row_pairs is not read, block_pairs is 2, a
 * block's weights lie in natural order, and channels hold bias and multiplier for each output in the order of the
 * index. stream_words must hold TF_SINGLE_HEADER_WORDS and TF_SINGLE_BLOCK_WORDS for each block of the largest row. */
void TF(conv_sparse_single)(const tf_conv_sparse_params *p, const int8_t *x, int8_t *y, void *scratch);

/* Depthwise convolution, one filter a channel; in_channels = out_channels = C, weights are (KH, KW, C). Otherwise as
 * conv; `groups` is not read. Scratch: none. */
void TF(depthwise)(const tf_conv_params *p, const int8_t *x, int8_t *y, void *scratch);

/* Depthwise convolutions without dilation, fast: stride 1 or 2, the same in both directions. `group_channels` (a
 * multiple of 4) channels of the image are widened at a time, for `band_rows` output rows.
 * The requantization's shift is applied to the weights: |weight| << weight_shift fits int16.
 * Scratch: group_channels * (4 * lines * line + 4 * words + 5), where
 * line = (max(out_width, 4) - 1) * stride + kernel_width, words = TF_3X3_FILTER_WORDS or TF_FILTER_WORDS(kernel_width)
 * and, with pairs = ceil(kernel_height / 2),
 *    lines = floor((band_rows - 1) / 2) + 2    3 x 3, stride 1
 *    lines = band_rows + pairs - 1             stride 2
 *    lines = band_rows + 2 * pairs - 2         other sizes, stride 1 */
typedef struct {
  tf_window window;
  uint16_t group_channels, band_rows;
  const int8_t *weights; /* per channel, pair of filter rows and column: the upper row's weight, the lower row's or 0 */
  const int32_t *channels; /* per channel: bias, multiplier */
  uint8_t weight_shift;
  int16_t zero_point, low, high;
} tf_depthwise_rows_params;
void TF(depthwise_3x3)(const tf_depthwise_rows_params *p, const int8_t *x, int8_t *y, void *scratch);
void TF(depthwise_5x5)(const tf_depthwise_rows_params *p, const int8_t *x, int8_t *y, void *scratch);
void TF(depthwise_7x7)(const tf_depthwise_rows_params *p, const int8_t *x, int8_t *y, void *scratch);

/* Product of two activations, y[b, i, j] = sum over q of (a[b, i, q] - a_zero_point) * (b[b, q, j] - b_zero_point),
 * all three addressed by element strides (batch, row, column). Scratch: none. */
typedef struct {
  uint16_t batch, rows, depth, columns;
  int32_t a_strides[3], b_strides[3], y_strides[3];
  int32_t multiplier;
  uint8_t shift;
  int16_t a_zero_point, b_zero_point;
  int16_t zero_point, low, high;
} tf_batch_matmul_params;
void TF(batch_matmul)(const tf_batch_matmul_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch);

/* Product of two activations, fast: as batch_matmul, for at least 4 rows and 2 columns, y_strides[2] = 1; int16 holds
 * (b - b_zero_point) << shift, and int32 the sums of its products with a - a_zero_point. Operands are best contiguous
 * along the depth, or b along its columns. `group_columns` pairs of columns of b are widened at a time.
 * Scratch, with pairs = ceil(depth / 4) * 2: 4 * (group_columns * TF_DENSE_RECORD_WORDS(pairs) + TF_STREAM_SPARE_WORDS)
 * and 4 * (4 * pairs + TF_DENSE_TILE_SPARE_WORDS). */
typedef struct {
  tf_batch_matmul_params product;
  uint16_t group_columns;
} tf_batch_matmul_rows_params;
void TF(batch_matmul_rows)(const tf_batch_matmul_rows_params *p, const int8_t *a, const int8_t *b, int8_t *y,
                           void *scratch);

/* y = clamp((a * multiplier_a + b * multiplier_b + offset) >> shift, low, high), multipliers within int16. `count`
 * elements. Works in place on either input. Scratch: none. */
typedef struct {
  uint32_t count;
  int16_t multiplier_a, multiplier_b;
  int32_t offset;
  uint8_t shift;
  int16_t low, high;
} tf_add_params;
void TF(add)(const tf_add_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch);

/* y = requantize((a - a_zero_point) * (b - b_zero_point)); b is repeated: element i of a meets element i % b_count of
 * b. Works in place on a, and on b where b_count = count. Scratch: none. */
typedef struct {
  uint32_t count, b_count;
  int32_t multiplier;
  uint8_t shift;
  int16_t a_zero_point, b_zero_point;
  int16_t zero_point, low, high;
} tf_mul_params;
void TF(mul)(const tf_mul_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch);

/* y = requantize(a - a_zero_point) by multipliers[b + 128]: any sign; -2^31 stands for a divisor of 0, where y is
 * `high` for a above 0, else `low`. Works in place of either. Scratch: none. */
typedef struct {
  uint32_t count;
  const int32_t *multipliers; /* 256 entries */
  uint8_t shift;
  int16_t a_zero_point, zero_point, low, high;
} tf_div_params;
void TF(div)(const tf_div_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch);

/* y = requantize(x - in_zero_point), below 0 by slopes[i % channels] in place of `multiplier`: any sign, above -2^31.
 * `count` elements, a multiple of `channels`. Works in place. Scratch: none. */
typedef struct {
  uint32_t count, channels;
  const int32_t *slopes; /* channels entries */
  int32_t multiplier;
  uint8_t shift;
  int16_t in_zero_point, zero_point, low, high;
} tf_prelu_params;
void TF(prelu)(const tf_prelu_params *p, const int8_t *x, int8_t *y, void *scratch);

/* y = table[x + 128]. Works in place. Scratch: none. */
typedef struct {
  uint32_t count;
  const int8_t *table; /* 256 entries */
} tf_lut_params;
void TF(lut)(const tf_lut_params *p, const int8_t *x, int8_t *y, void *scratch);

/* Softmax of `rows` rows of `columns` elements. Works in place. Scratch: 4 * (columns + TF_SOFTMAX_SPARE_WORDS). */
typedef struct {
  uint32_t rows, columns;
  const uint32_t *exponentials; /* 256 entries, rising: 2^p exp(-scale d) at 255 - d */
  uint32_t numerator;
  uint8_t sum_shift;
  int16_t zero_point;
} tf_softmax_params;
void TF(softmax)(const tf_softmax_params *p, const int8_t *x, int8_t *y, void *scratch);

/* LayerNorm of `rows` rows of `columns` <= 1024 elements. Works in place. Scratch: none. */
typedef struct {
  uint32_t rows, columns;
  const int16_t *gamma; /* columns entries */
  const int32_t *beta;  /* columns entries */
  int64_t epsilon;      /* 1 .. 2^48 */
  uint8_t pre_shift, post_shift;
} tf_layer_norm_params;
void TF(layer_norm)(const tf_layer_norm_params *p, const int8_t *x, int8_t *y, void *scratch);

/* LayerNorm as above of a variance that is rounded to one of 256 steps, each with its multiplier. Scratch: none. */
typedef struct {
  uint32_t rows, columns;
  const int16_t *gamma;        /* columns entries */
  const int32_t *beta;         /* columns entries */
  const int32_t *multipliers;  /* 256 entries, not negative */
  int32_t variance_multiplier; /* 0 .. 2^28 */
  int16_t first_step;          /* 0 .. 255 */
  uint8_t variance_shift;      /* 1 .. 62 */
  uint8_t pre_shift, post_shift;
} tf_rounded_layer_norm_params;
void TF(rounded_layer_norm)(const tf_rounded_layer_norm_params *p, const int8_t *x, int8_t *y, void *scratch);

/* Average pooling: the sum of (x - in_zero_point) over the cells inside the image, requantized. `multiplier_step` is 1
 * where `multipliers` is indexed by (cells inside - 1). With a right_shift (at most 31) the product of sum and
 * multiplier, rounded, is shifted and rounded again, half away from zero. Scratch: none. */
typedef struct {
  uint16_t in_height, in_width, channels;
  uint16_t out_height, out_width;
  uint16_t kernel_height, kernel_width;
  uint16_t stride_y, stride_x;
  uint16_t pad_top, pad_left;
  int16_t in_zero_point;
  uint8_t right_shift;
  const int32_t *multipliers;
  uint8_t multiplier_step;
  uint8_t shift;
  int16_t zero_point, low, high;
} tf_pool_params;
void TF(average_pool)(const tf_pool_params *p, const int8_t *x, int8_t *y, void *scratch);

/* Max pooling; the fields after pad_left are not read. Every window meets the image. Scratch: none. */
void TF(max_pool)(const tf_pool_params *p, const int8_t *x, int8_t *y, void *scratch);

/* `count` pieces of `bytes` bytes from x + source_offset, source_stride apart, to y + target_offset, target_stride
 * apart: slices, and the pieces of a concatenation. Scratch: none. */
typedef struct {
  uint32_t count, bytes;
  uint32_t source_offset, source_stride;
  uint32_t target_offset, target_stride;
} tf_copy_params;
void TF(copy)(const tf_copy_params *p, const int8_t *x, int8_t *y, void *scratch);

/* Constant padding of up to four axes (missing leading axes have extent 1). Scratch: none. */
typedef struct {
  uint16_t in_shape[4], before[4], out_shape[4];
  int16_t value;
} tf_pad_params;
void TF(pad)(const tf_pad_params *p, const int8_t *x, int8_t *y, void *scratch);

/* y of shape `shape`, element (i0, i1, i2, i3) read at x[sum of i * strides]. Scratch: none. */
typedef struct {
  uint16_t shape[4];
  int32_t strides[4];
} tf_transpose_params;
void TF(transpose)(const tf_transpose_params *p, const int8_t *x, int8_t *y, void *scratch);

/* rows * columns pieces of `bytes` bytes; piece (i, j) is read at x + row_offsets[i] + column_offsets[j], or filled
 * with `value` where that sum is negative. Scratch: none. */
typedef struct {
  uint32_t rows, columns, bytes;
  const int32_t *row_offsets;    /* rows entries above -2^30 */
  const int32_t *column_offsets; /* columns entries above -2^30 */
  int16_t value;
} tf_rearrange_params;
void TF(rearrange)(const tf_rearrange_params *p, const int8_t *x, int8_t *y, void *scratch);

/* The larger of each two elements, or the smaller where `largest` is 0. Works in place on either input. Scratch: none.
 */
typedef struct {
  uint32_t count;
  uint8_t largest;
} tf_extremum_params;
void TF(extremum)(const tf_extremum_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch);

/* An image of another size. Cell (i, j) is the mean of those in rows row_cells[2 * i], row_cells[2 * i + 1] and columns
 * column_cells[2 * j], column_cells[2 * j + 1], whose second ones have the weights row_weights[i] and column_weights[j]
 * in units of 2^-11. With a multiplier of 0 ties are rounded up, or away from zero with `away_from_zero`; else the mean
 * less in_zero_point, with 14 fractional bits, is requantized without a shift. Scratch: none. */
typedef struct {
  uint16_t out_height, out_width, channels;
  uint32_t in_row_bytes;
  const uint16_t *row_cells, *column_cells;
  const int16_t *row_weights, *column_weights; /* 0 .. 2^11 */
  uint8_t away_from_zero;
  int32_t multiplier;
  int16_t in_zero_point, zero_point, low, high;
} tf_interpolate_params;
void TF(interpolate)(const tf_interpolate_params *p, const int8_t *x, int8_t *y, void *scratch);

/* Softmax of rows in which only the elements with a mask of 1 take part, the others become zero_point; row r has row
 * r % mask_rows of the mask, in which at least one element takes part. Works in place. Scratch: 4 * columns. */
typedef struct {
  uint32_t rows, columns, mask_rows;
  const uint8_t *mask;
  const uint32_t *exponentials; /* 256 entries, rising: 2^p exp(-scale d) at 255 - d */
  uint32_t numerator;
  uint8_t sum_shift;
  int16_t zero_point;
} tf_masked_softmax_params;
void TF(masked_softmax)(const tf_masked_softmax_params *p, const int8_t *x, int8_t *y, void *scratch);

#ifdef __cplusplus
}
#endif

#endif
