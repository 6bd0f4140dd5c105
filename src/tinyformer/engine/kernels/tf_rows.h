/* Inside of the matrix kernels: a tile of four pixels against a stream of row pairs.
 *
 * A *tile* holds the inputs of four output pixels as int16 pairs, tile[4 * pair + pixel]; pair 2k of a pixel is its inputs
 * (4k, 4k + 2), pair 2k + 1 its inputs (4k + 1, 4k + 3), because one SXTB16 of a word yields just these.
 *
 * A *row pair* is the weights of two neighbouring outputs, widened to int16 pairs in the same order. Streams and tiles are
 * read once for every eight multiply-accumulates: they belong into tightly coupled memory.
 */
#ifndef TF_ROWS_H
#define TF_ROWS_H

#include <stddef.h>

#include "tf_kernels.h"

/* What one pass over a stream needs. The assembly knows the offsets of the members. */
typedef struct {
  const uint32_t *tile;
  const uint32_t *tile_end; /* tile + 4 * pairs; dense only */
  int8_t *y;                /* first output of the first pixel */
  int32_t stride;           /* bytes from one pixel's outputs to the next one's */
  int32_t zero_point;
  uint32_t pairs; /* input pairs of a row, at least 2; dense only */
} tf_rows;

/* Dense rows. Stream, per row pair, in words: bias 0, bias 1, then (pair of output 0, pair of output 1) for every input
 * pair, multiplier 0, multiplier 1, 2 * offset of output 0 from y, plus 1 in the last row pair. The four words after the
 * end are read and ignored, so is the word after the tile. Results are clamped to int8 only. */
#define TF_DENSE_RECORD_WORDS(pairs) (2 * (size_t)(pairs) + 5)
void TF(dense_rows)(const uint32_t *stream, const tf_rows *rows);

/* Sparse rows: only some of the input pairs, by their address. Stream, in words: the address of the first pair's inputs in
 * the tile (where TF_ARM_DSP is 0: bytes from its start), then per row pair
 *    bias 0, bias 1, (pair of output 0, pair of output 1) of the first input pair,
 *    entry, (address, pair of output 0, pair of output 1) of every other input pair,
 *    address of the next row pair's first pair (any in the tile at the end), multiplier 0, multiplier 1,
 *    2 * offset of output 0 from y, plus 1 in the last row pair.
 * The entry is the number of other pairs. Where it exceeds TF_SPARSE_PASS, the loop takes several passes: the entry is
 * TF_SPARSE_PASS plus the pairs of the first pass, 1 .. TF_SPARSE_PASS, and behind the address and weights that follow a
 * pass stands TF_SPARSE_FULL_PASS or, before the last one, TF_SPARSE_LAST_PASS. Where TF_ARM_DSP is 1, addresses of code stand
 * for these numbers: tf_sparse_entries holds the address for 0, which falls by the second word for each further pair; that
 * for TF_SPARSE_PASS + 1, which rises by the fourth word; that of a full pass and of the last one.
 * The four words after the end are read and ignored. Results are clamped to int8 only. */
#define TF_SPARSE_PASS 64u
#define TF_SPARSE_FULL_PASS 129u
#define TF_SPARSE_LAST_PASS 130u
#define TF_SPARSE_FIRST_PASS(others) ((others) == 0 ? 0 : ((others) - 1) % TF_SPARSE_PASS + 1)
#define TF_SPARSE_RECORD_WORDS(pairs) (3 * (pairs) + 6 + ((pairs) < 2 ? 0 : ((pairs) - 2) / TF_SPARSE_PASS))
#define TF_SPARSE_SPARE_WORDS 4 /* beside the first address and the records */
void TF(sparse_rows)(const uint32_t *stream, const tf_rows *rows);

/* Adds the products of two row pairs and one vector to acc: weights as stored, at multiples of 4, x as int16 pairs, an even
 * number of pairs. */
void TF(multiply_vector)(const int8_t *const weights[2], const uint32_t *x, uint32_t pairs, int32_t acc[4]);

/* Widens `quads` * 4 inputs of each of four pixels into a tile; returns where the tile goes on. */
uint32_t *TF(widen_tile)(const int8_t *const source[4], uint32_t quads, uint32_t *tile);

/* How tiles are filled from an image. */
typedef struct {
  const tf_window *window;
  const int8_t *x;
  uint32_t *tile;
  int8_t *patch; /* the inputs of a cell outside the image, or room for the windows of four pixels */
  int pointwise; /* windows are single cells, one after the other */
} tf_gather;

/* `tile` has room for four words an input pair; `patch` for the input channels where they are a multiple of 4, else for eight
 * bytes an input pair. */
tf_gather TF(gather_begin)(const tf_window *window, const int8_t *x, uint32_t *tile, int8_t *patch);

/* Widens the windows of the output pixels first_pixel .. first_pixel + 3 (row-major) into the tile, taps in row-major
 * order, each with all input channels; the inputs of a pixel are padded with zeros to a multiple of 4. */
void TF(gather_tile)(const tf_gather *gather, uint32_t first_pixel);

/* Multiplies all output pixels with a stream by `multiply`, four at a time; results lie `outputs` bytes apart from pixel to
 * pixel. The last four overlap the four before where their number is no multiple of 4. Then clamps them to low .. high. */
typedef void tf_rows_function(const uint32_t *stream, const tf_rows *rows);
void TF(multiply_tiles)(const tf_gather *gather, const uint32_t *stream, tf_rows rows, tf_rows_function *multiply, int low,
                        int high);

/* Clamps `count` bytes in place. */
void TF(clamp_bytes)(int8_t *y, uint32_t count, int low, int high);

#endif
