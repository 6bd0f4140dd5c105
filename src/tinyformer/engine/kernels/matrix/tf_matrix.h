/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the matrix kernels: a tile of four pixels against a stream of row pairs.
 *
 * A *tile* holds the inputs of four output pixels as int16 pairs; pair 2k of a pixel is its inputs (4k, 4k + 2), pair
 * 2k + 1 its inputs (4k + 1, 4k + 3), because one SXTB16 of a word yields just these. There are two layouts:
 *  - tile[4 * pair + pixel], for any window;
 *  - in *bands*, for windows of kernel_width K > 1 with stride 1 and no dilation, and channels that are a multiple
 *    of 4: tile[(K + 3) * (channels / 2 * ky + pair) + column], pair being one of the cell's, the pixel's input at
 *    (ky, kx) in column = pixel + kx. So a cell that several windows share is there once, and a tile that has more rows
 *    of cells serves the pixels below as well.
 *
 * A *row pair* is the weights of two neighbouring outputs, widened to int16 pairs in the same order. Streams and tiles
 * are read once for every eight multiply-accumulates: they belong into tightly coupled memory.
 */
#ifndef TF_MATRIX_H
#define TF_MATRIX_H

#include <stddef.h>
#include <string.h>

#include "tf_kernels.h"
#include "tf_layout.h"
#include "tf_requantize.h"

/* What one pass over a stream needs. The assembly knows the offsets of the members. */
typedef struct {
  const uint32_t *tile;
  const uint32_t *tile_end; /* tile + (K + 3) * steps; dense only */
  int8_t *y;                /* first output of the first pixel */
  int32_t stride;           /* bytes from one pixel's outputs to the next one's */
  int32_t zero_point;
  uint32_t steps; /* input pairs of a row / K, at least 2; dense only */
} tf_rows;

/* Dense rows, for tiles of kernel_width K = 1 (the layout for any window), 3 and 5. Stream, per row pair, in words:
 * bias 0, bias 1, then (pair of output 0, pair of output 1) for every input pair, in bands in the order (ky, pair, kx),
 * multiplier 0, multiplier 1, 2 * offset of output 0 from y, plus 1 in the last row pair. The four words after the end
 * are read and ignored, so is the word after the tile. Results are clamped to int8 only. */
typedef void tf_rows_function(const uint32_t *stream, const tf_rows *rows);
tf_rows_function TF(dense_rows), TF(dense_rows_3), TF(dense_rows_5);

/* Adds the products of two row pairs and one vector to acc: weights as stored, at multiples of 4, x as int16 pairs, an
 * even number of pairs. */
void TF(multiply_vector)(const int8_t *const weights[2], const uint32_t *x, uint32_t pairs, int32_t acc[4]);

/* Widens `quads` * 4 inputs, at least one quad, of each of 4, 6 or 8 cells, tile[cells * pair + cell]. Returns where
 * the tile goes on. */
typedef uint32_t *tf_widen_function(const int8_t *const source[], uint32_t quads, uint32_t *tile);
tf_widen_function TF(widen_4), TF(widen_6), TF(widen_8);

/* Widens `count` words of weights as stored, an even number, at a multiple of 4: of each, bytes 0 and 2, then 1 and 3.
 * Returns where `out` goes on. */
uint32_t *TF(widen_words)(const int8_t *words, uint32_t count, uint32_t *out);

/* Rows of the windows of four pixels. The assembly knows the offsets of the members. */
typedef struct {
  const int8_t *source[4];
  uint32_t *tile;
  int8_t *rest;        /* four times rest_bytes bytes */
  uint32_t rest_bytes; /* at least count * left */
  uint32_t left;       /* a row is 4 * quads + left bytes, left being less than 4 */
  uint32_t quads;
  uint32_t count;   /* rows, at least 1 */
  uint32_t step[4]; /* bytes from the end of a window's row to the next one */
} tf_window_rows;

/* Widens the quads of all rows, row after row, and copies the bytes that are left of a window's rows to its part of
 * `rest`. Returns where the tile goes on. */
uint32_t *TF(widen_rows)(const tf_window_rows *windows);

/* How tiles are filled from an image. */
typedef struct {
  const tf_window *window;
  const int8_t *x;
  uint32_t *tile;
  int8_t *border; /* where channels are a multiple of 4: the inputs of a cell outside the image, else room for four
                    windows and the r of each of their rows, padded to a multiple of 4 */
  tf_widen_function *widen; /* in bands: that of kernel_width + 3 cells; else not read */
  int band_rows; /* in bands: rows of outputs that a tile serves, from kernel_height + band_rows - 1 rows of cells */
} tf_gather;

/* Fills the border. */
static inline void tf_prepare_border(const tf_gather *gather) {
  const tf_window *w = gather->window;
  if (w->in_channels % 4 == 0) memset(gather->border, w->pad_value, w->in_channels);
}

/* Widens the windows of the output pixels first_pixel .. first_pixel + 3 (row-major) into the tile.
 * Where channels are a multiple of 4: taps in row-major order, each with all input channels. Else there is no dilation,
 * and kernel_width * channels = 4 * q + r: 4 * q inputs of each row of the window, then the other r of each row, padded
 * with anything to a multiple of 4. */
void TF(gather_tile)(const tf_gather *gather, uint32_t first_pixel);

/* Multiplies all output pixels with a stream by `multiply`, four at a time; results lie rows.stride bytes apart from
 * pixel to pixel. Then clamps them to low .. high. Of rows, tile and y are those of the image.
 * multiply_tiles takes the pixels in row-major order, multiply_bands (for an out_width of at least 4) tiles of one row;
 * the last tile overlaps the one before where their number is no multiple of 4. */
typedef void tf_image_function(const tf_gather *gather, const uint32_t *stream, tf_rows rows,
                               tf_rows_function *multiply, int low, int high);
tf_image_function TF(multiply_tiles), TF(multiply_bands);

/* How a convolution goes through its image. */
typedef struct {
  tf_image_function *multiply;
  tf_widen_function *widen;
  uint32_t width; /* K of the tile's layout */
} tf_tiling;

/* conv_dense and its siblings by one way through the image; `multiply` is the dense_rows of its K. */
void TF(conv_dense_body)(const tf_conv_dense_params *p, const int8_t *x, int8_t *y, void *scratch,
                         const tf_tiling *tiling, tf_rows_function *multiply);

#endif
