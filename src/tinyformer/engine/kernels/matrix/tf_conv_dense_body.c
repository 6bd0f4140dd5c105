/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_matrix.h"
#include "tf_simd.h"

/* Writes the stream records of row pairs [first, end). */
static void widen_rows(const tf_conv_dense_params *p, uint32_t first, uint32_t end, uint32_t *stream) {
  const int8_t *weights = p->weights + (size_t)first * p->pairs * 4;
  const int32_t *channel = p->channels + 4 * first;
  const uint32_t outputs = p->window.out_channels;
  for (uint32_t row = first; row < end; row++, channel += 4) {
    const uint32_t offset = 2 * row + 2 > outputs ? outputs - 2 : 2 * row;
    *stream++ = (uint32_t)channel[0];
    *stream++ = (uint32_t)channel[1];
    if (p->weight_shift) {
      for (uint32_t i = 0; i < p->pairs; i++, weights += 4) {
        *stream++ = tf_shift_halves(tf_even(tf_load(weights)), p->weight_shift);
        *stream++ = tf_shift_halves(tf_odd(tf_load(weights)), p->weight_shift);
      }
    } else {
      stream = TF(widen_words)(weights, p->pairs, stream);
      weights += 4u * p->pairs;
    }
    *stream++ = (uint32_t)channel[2];
    *stream++ = (uint32_t)channel[3];
    *stream++ = 2 * offset + (row + 1 == end);
  }
}

void TF(conv_dense_body)(const tf_conv_dense_params *p, const int8_t *x, int8_t *y, void *scratch,
                         const tf_tiling *tiling, tf_rows_function *multiply) {
  uint32_t *stream = (uint32_t *)scratch;
  uint32_t *tile = stream + p->group_rows * TF_DENSE_RECORD_WORDS((size_t)p->pairs) + TF_STREAM_SPARE_WORDS;
  int8_t *border = (int8_t *)(tile + p->tile_words + TF_DENSE_TILE_SPARE_WORDS);
  const uint32_t steps = p->pairs / tiling->width;
  const tf_gather gather = {&p->window, x, tile, border, tiling->widen, p->band_rows};
  const tf_rows rows = {
      tile, tile + (tiling->width + 3) * steps, y, p->window.out_channels, p->zero_point, steps,
  };
  tf_prepare_border(&gather);

  for (uint32_t row = 0; row < p->row_pairs; row += p->group_rows) {
    const uint32_t end = row + p->group_rows < p->row_pairs ? row + p->group_rows : p->row_pairs;
    const int last = end == p->row_pairs;
    widen_rows(p, row, end, stream);
    tiling->multiply(&gather, stream, rows, multiply, last ? p->low : -128, last ? p->high : 127);
  }
}
