/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_requantize.h"
#include "tf_simd.h"
#include "tf_sparse.h"

/* Stream, in words: records of bias, multiplier, offset of the output from y, number of blocks (plus LAST in the last
 * record), then for each block the byte offset of its inputs in the tile and two input pairs of weights. */
#define LAST 0x80000000u

/* One record for four pixels; returns the next one. */
static const uint32_t *multiply_row(const uint32_t *record, const tf_rows *rows) {
  int32_t a = (int32_t)record[0], b = a, c = a, d = a;
  const int32_t multiplier = (int32_t)record[1];
  int8_t *y = rows->y + record[2];
  uint32_t count = record[3] & ~LAST;
  for (record += TF_SINGLE_HEADER_WORDS; count; count--, record += TF_SINGLE_BLOCK_WORDS) {
    const uint32_t *tile = rows->tile + record[0] / 4, first = record[1], second = record[2];
    a = tf_dot(tile[4], second, tf_dot(tile[0], first, a));
    b = tf_dot(tile[5], second, tf_dot(tile[1], first, b));
    c = tf_dot(tile[6], second, tf_dot(tile[2], first, c));
    d = tf_dot(tile[7], second, tf_dot(tile[3], first, d));
  }
  y[0] = (int8_t)tf_saturate(tf_scale(a, multiplier, rows->zero_point));
  y[rows->stride] = (int8_t)tf_saturate(tf_scale(b, multiplier, rows->zero_point));
  y[2 * rows->stride] = (int8_t)tf_saturate(tf_scale(c, multiplier, rows->zero_point));
  y[3 * rows->stride] = (int8_t)tf_saturate(tf_scale(d, multiplier, rows->zero_point));
  return record;
}

static void multiply_rows(const uint32_t *stream, const tf_rows *rows) {
  uint32_t last;
  do {
    last = stream[3] & LAST;
    stream = multiply_row(stream, rows);
  } while (!last);
}

/* Expands rows into the stream until it is full or `most` are done. Returns their number. */
static uint32_t expand_rows(const tf_conv_sparse_params *p, tf_sparse_decoder *d, uint32_t most, uint32_t *stream) {
  uint32_t *out = stream, *last = stream, left = p->stream_words, rows = 0;
  while (rows < most && TF_SINGLE_HEADER_WORDS + TF_SINGLE_BLOCK_WORDS * d->count <= left) {
    left -= TF_SINGLE_HEADER_WORDS + TF_SINGLE_BLOCK_WORDS * d->count;
    last = out;
    out[0] = (uint32_t)d->channel[0];
    out[1] = (uint32_t)d->channel[1];
    out[2] = d->row;
    out[3] = d->count;
    out += TF_SINGLE_HEADER_WORDS;
    d->channel += 2;
    for (uint32_t offset = 0, block = d->count; block;
         block--, offset += 32, out += TF_SINGLE_BLOCK_WORDS, d->weights += 4) {
      const uint32_t word = tf_load(d->weights);
      offset += 32 * tf_next_number(&d->index);
      out[0] = offset;
      out[1] = tf_even(word);
      out[2] = tf_odd(word);
    }
    if (++rows < most) tf_next_block_row(d);
  }
  last[3] |= LAST;
  return rows;
}

void TF(conv_sparse_single)(const tf_conv_sparse_params *p, const int8_t *x, int8_t *y, void *scratch) {
  uint32_t *stream = (uint32_t *)scratch, *tile = stream + p->stream_words;
  int8_t *border = (int8_t *)(tile + 4 * p->pairs);
  const tf_gather gather = {&p->window, x, tile, border, TF(widen_4), 0};
  const tf_rows rows = {tile, NULL, y, p->window.out_channels, p->zero_point, 0};
  tf_prepare_border(&gather);
  tf_sparse_decoder d = tf_begin_decoding(p->index, p->weights, p->channels, p->block_rows);

  for (uint32_t left = p->block_rows; left;) {
    left -= expand_rows(p, &d, left, stream);
    TF(multiply_tiles)(&gather, stream, rows, multiply_rows, left ? -128 : p->low, left ? 127 : p->high);
  }
}
