/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the depthwise kernels: rows of outputs by vertical pairs.
 *
 * A *plane* holds one channel of a band of the image: the word at (r, column) is image row first + step * r and the row
 * below it, columns padded. One SMLAD then multiplies two rows of a filter, and four neighbouring outputs, a *tile*,
 * share the words they load. */
#ifndef TF_DEPTHWISE_ROWS_H
#define TF_DEPTHWISE_ROWS_H

#include <stddef.h>

#include "tf_kernels.h"
#include "tf_layout.h"
#include "tf_requantize.h"
#include "tf_simd.h"

/* One row of outputs of `count` channels. The assembly knows the offsets of the members; it reads words behind the last
 * filter, and ignores them. */
typedef struct {
  const uint32_t *plane;  /* upper left word of the first channel's first window */
  const uint32_t *filter; /* of the first channel */
  int8_t *y;
  uint32_t stride; /* bytes from an output to its right neighbour */
  int32_t zero_point;
  uint32_t count;       /* channels, at least 1 */
  uint32_t plane_bytes; /* from one channel's plane to the next */
  int32_t pair_bytes;   /* from the words of one pair of filter rows to those of the next */
  uint32_t tiles;       /* of four outputs, at least 1 */
} tf_depthwise_row;

typedef void tf_depthwise_row_function(const tf_depthwise_row *row);

/* 3 x 3: even and odd rows of horizontal stride 1, and stride 2. Filters are as the rows of outputs need them. An even
 * row's window begins with the upper row of a line: that line is multiplied with filter rows 0 and 1, the next one's
 * upper row with filter row 2. An odd row's window begins with the lower row of a line: the next line is multiplied
 * with filter rows 1 and 2, this one's lower row with filter row 0. In words, for even and then odd rows: bias, three
 * columns of two filter rows, columns 0 and 1 of the third, column 2, multiplier. Results are clamped to int8 only. */
tf_depthwise_row_function TF(depthwise_row_3x3_even), TF(depthwise_row_3x3_odd), TF(depthwise_row_3x3_stride_2);

/* Larger filters: a channel's record in `filter` is its bias, the words of each pair of filter rows, its multiplier. */
tf_depthwise_row_function TF(depthwise_row_5x5_stride_1), TF(depthwise_row_5x5_stride_2);
tf_depthwise_row_function TF(depthwise_row_7x7_stride_1), TF(depthwise_row_7x7_stride_2);

/* How a size of filter is run. */
typedef struct {
  tf_depthwise_row_function *multiply;
  /* With stride 1, lines for every other image row suffice if odd rows of outputs have a function of their own: it
   * finds the line below the one its windows begin in, and the former `pair_bytes` from there. Else NULL. */
  tf_depthwise_row_function *multiply_odd;
  void (*widen)(const tf_depthwise_rows_params *p, uint32_t first, uint32_t count, uint32_t *out);
  uint32_t filter_words; /* that `widen` writes for a channel */
  uint32_t odd_filter;   /* where in them multiply_odd begins */
} tf_depthwise_method;

void TF(depthwise_body)(const tf_depthwise_rows_params *p, const int8_t *x, int8_t *y, void *scratch,
                        const tf_depthwise_method *method);

/* One line of the planes of 4 * quads channels. The assembly knows the offsets of the members. */
typedef struct {
  const int8_t *above, *below;    /* first cells of the two image rows */
  int32_t above_skip, below_skip; /* bytes from behind the channels of a cell to those of the next */
  uint32_t *out;                  /* first word in the first channel's plane */
  uint32_t plane_bytes;
  uint32_t quads; /* may be 0 */
  uint32_t cells; /* at least 1 */
} tf_pair_line;
void TF(widen_pairs)(const tf_pair_line *line);

/* Vertical pairs of four channels at one cell. */
static inline void tf_store_pairs(uint32_t *out, uint32_t plane_words, uint32_t above, uint32_t below) {
  const uint32_t first = tf_low_halves(above, below), second = tf_high_halves(above, below);
  out[0] = tf_even(first);
  out[plane_words] = tf_odd(first);
  out[2 * plane_words] = tf_even(second);
  out[3 * plane_words] = tf_odd(second);
}

/* The records of larger filters. */
static inline void tf_widen_filters(uint32_t size, const tf_depthwise_rows_params *p, uint32_t first, uint32_t count,
                                    uint32_t *out) {
  const uint32_t taps = TF_FILTER_WORDS(size) - 2;
  const int8_t *weights = p->weights + (size_t)first * taps * 2;
  const int32_t *channel = p->channels + (size_t)first * 2;
  for (; count; count--, channel += 2) {
    *out++ = (uint32_t)channel[0];
    uint32_t *const words = out;
    for (uint32_t i = 0; i + 2 <= taps; i += 2, weights += 4) {
      const uint32_t word = tf_load(weights), upper = tf_even(word), lower = tf_odd(word);
      *out++ = tf_low_halves(upper, lower);
      *out++ = tf_high_halves(upper, lower);
    }
    if (taps % 2) {
      *out++ = tf_pack(weights[0], weights[1]);
      weights += 2;
    }
    TF_ROLLED for (uint32_t i = 0; p->weight_shift && i < taps; i++) words[i] =
        tf_shift_halves(words[i], p->weight_shift);
    *out++ = (uint32_t)channel[1];
  }
}

#endif
