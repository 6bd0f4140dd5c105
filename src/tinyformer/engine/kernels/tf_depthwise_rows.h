/* Inside of the depthwise kernels: rows of outputs by vertical pairs.
 *
 * A *plane* holds one channel of a band of the image: the word at (r, column) is image row first + step * r and the row
 * below it, columns padded. One SMLAD then multiplies two rows of a filter, and four neighbouring outputs, a *tile*, share
 * the words they load. */
#ifndef TF_DEPTHWISE_ROWS_H
#define TF_DEPTHWISE_ROWS_H

#include <stddef.h>

#include "tf_kernels.h"
#include "tf_requantize.h"
#include "tf_simd.h"

/* One row of outputs of `count` channels. The assembly knows the offsets of the members. */
typedef struct {
  const uint32_t *plane;  /* upper left word of the first channel's first window */
  const uint32_t *filter; /* of the first channel */
  int8_t *y;
  uint32_t stride;        /* bytes from an output to its right neighbour */
  int32_t zero_point;
  uint32_t count;         /* channels, at least 1 */
  uint32_t plane_bytes;   /* from one channel's plane to the next */
  int32_t pair_bytes;     /* from the words of one pair of filter rows to those of the next */
  uint32_t tiles;         /* of four outputs, at least 1 */
} tf_depthwise_row;

typedef void tf_depthwise_row_function(const tf_depthwise_row *row);

/* 3 x 3: even and odd rows of horizontal stride 1, and stride 2 (tf_depthwise_3x3.c). Results are clamped to int8 only. */
void TF(depthwise_row_3x3_even)(const tf_depthwise_row *row);
void TF(depthwise_row_3x3_odd)(const tf_depthwise_row *row);
void TF(depthwise_row_3x3_stride_2)(const tf_depthwise_row *row);

/* How a size of filter is run. */
typedef struct {
  tf_depthwise_row_function *multiply;
  /* With stride 1, lines for every other image row suffice if odd rows of outputs have a function of their own: it finds the
   * line below the one its windows begin in, and the former `pair_bytes` from there. Else NULL. */
  tf_depthwise_row_function *multiply_odd;
  void (*widen)(const tf_depthwise_rows_params *p, uint32_t first, uint32_t count, uint32_t *out);
  uint32_t filter_words; /* that `widen` writes for a channel */
  uint32_t odd_filter;   /* where in them multiply_odd begins */
} tf_depthwise_method;

void TF(depthwise_by_rows)(const tf_depthwise_rows_params *p, const int8_t *x, int8_t *y, void *scratch,
                           const tf_depthwise_method *method);

/* One line of the planes of 4 * quads channels. The assembly knows the offsets of the members. */
typedef struct {
  const int8_t *above, *below;   /* first cells of the two image rows */
  int32_t above_skip, below_skip; /* bytes from behind the channels of a cell to those of the next */
  uint32_t *out;                 /* first word in the first channel's plane */
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

/* Filters for tf_depthwise_tiles: per channel bias, multiplier, then the words of each pair of filter rows. */
#define TF_FILTER_WORDS(size) (2 + ((size) + 1) / 2 * (size))
static inline void tf_widen_filters(uint32_t size, const tf_depthwise_rows_params *p, uint32_t first, uint32_t count,
                                    uint32_t *out) {
  const uint32_t taps = TF_FILTER_WORDS(size) - 2;
  const int8_t *weights = p->weights + (size_t)first * taps * 2;
  const int32_t *channel = p->channels + (size_t)first * 2, scale = 1 << p->weight_shift;
  for (; count; count--) {
    *out++ = (uint32_t)*channel++;
    *out++ = (uint32_t)*channel++;
    for (uint32_t i = 0; i < taps; i++, weights += 2) *out++ = tf_pack(weights[0] * scale, weights[1] * scale);
  }
}

/* The word of column `i` of four windows, times the weight that it meets in the window of `output`. */
TF_INLINE void tf_depthwise_tap(int size, int stride, int i, int output, uint32_t word, const uint32_t *weights,
                                int32_t acc[4]) {
  const int tap = i - output * stride;
  if (tap >= 0 && tap < size) acc[output] = tf_dot(word, weights[tap], acc[output]);
}

/* The word of column `i`, times all weights that it meets. Unrolled by hand: compilers that optimize for size do not. */
TF_INLINE void tf_depthwise_column(int size, int stride, int i, const uint32_t *line, const uint32_t *weights,
                                   int32_t acc[4]) {
  if (i >= 3 * stride + size) return;
  const uint32_t word = line[i];
  tf_depthwise_tap(size, stride, i, 0, word, weights, acc);
  tf_depthwise_tap(size, stride, i, 1, word, weights, acc);
  tf_depthwise_tap(size, stride, i, 2, word, weights, acc);
  tf_depthwise_tap(size, stride, i, 3, word, weights, acc);
}

/* One pair of filter rows. */
TF_INLINE void tf_depthwise_pair(int size, int stride, int pair, const uint32_t *line, const uint32_t *weights,
                                 int32_t acc[4]) {
  if (2 * pair >= size) return;
  weights += pair * size;
  tf_depthwise_column(size, stride, 0, line, weights, acc);
  tf_depthwise_column(size, stride, 1, line, weights, acc);
  tf_depthwise_column(size, stride, 2, line, weights, acc);
  tf_depthwise_column(size, stride, 3, line, weights, acc);
  tf_depthwise_column(size, stride, 4, line, weights, acc);
  tf_depthwise_column(size, stride, 5, line, weights, acc);
  tf_depthwise_column(size, stride, 6, line, weights, acc);
  tf_depthwise_column(size, stride, 7, line, weights, acc);
  tf_depthwise_column(size, stride, 8, line, weights, acc);
  tf_depthwise_column(size, stride, 9, line, weights, acc);
  tf_depthwise_column(size, stride, 10, line, weights, acc);
  tf_depthwise_column(size, stride, 11, line, weights, acc);
  tf_depthwise_column(size, stride, 12, line, weights, acc);
}

/* Writes one output; returns where its right neighbour lies. */
TF_INLINE int8_t *tf_depthwise_store(int32_t acc, int32_t multiplier, const tf_depthwise_row *row, int8_t *y) {
  *y = (int8_t)tf_clamp(tf_scale(acc, multiplier, row->zero_point), -128, 127);
  return y + row->stride;
}

/* `size` and `stride` are constants wherever this is inlined. */
TF_INLINE void tf_depthwise_tiles(int size, int stride, const tf_depthwise_row *row) {
  const uint32_t *plane = row->plane, *filter = row->filter, pair_words = (uint32_t)row->pair_bytes / 4;
  int8_t *first = row->y;
  for (uint32_t count = row->count; count; count--, first++) {
    const uint32_t *line = plane, *weights = filter + 2;
    int8_t *y = first;
    for (uint32_t tile = row->tiles; tile; tile--, line += 4 * stride) {
      const int32_t bias = (int32_t)filter[0], multiplier = (int32_t)filter[1];
      int32_t acc[4] = {bias, bias, bias, bias};
      tf_depthwise_pair(size, stride, 0, line, weights, acc);
      tf_depthwise_pair(size, stride, 1, line + pair_words, weights, acc);
      tf_depthwise_pair(size, stride, 2, line + 2 * pair_words, weights, acc);
      tf_depthwise_pair(size, stride, 3, line + 3 * pair_words, weights, acc);
      y = tf_depthwise_store(acc[0], multiplier, row, y);
      y = tf_depthwise_store(acc[1], multiplier, row, y);
      y = tf_depthwise_store(acc[2], multiplier, row, y);
      y = tf_depthwise_store(acc[3], multiplier, row, y);
    }
    plane += row->plane_bytes / 4;
    filter += TF_FILTER_WORDS(size);
  }
}

#endif
