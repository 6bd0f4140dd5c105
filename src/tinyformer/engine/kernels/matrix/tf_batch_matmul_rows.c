/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_requantize.h"
#include "tf_matrix.h"
#include "tf_simd.h"

/* Both operands are widened with their zero points taken off, so that dense_rows needs no bias. */

/* Four elements `stride` apart as two pairs, (0, 2) and (1, 3); only `count` of them are there, the others are 0. */
static void widen_quad(const int8_t *x, int32_t stride, uint32_t count, int32_t zero_point, uint32_t pairs[2]) {
  int32_t values[4] = {0, 0, 0, 0};
  TF_ROLLED for (uint32_t i = 0; i < count && i < 4; i++) values[i] = x[(int32_t)i * stride] - zero_point;
  pairs[0] = tf_pack(values[0], values[2]);
  pairs[1] = tf_pack(values[1], values[3]);
}

/* One line of the elements [first, depth) of an operand, its pairs `step` words apart. */
static void widen_line(const int8_t *x, int32_t stride, uint32_t first, uint32_t depth, int32_t zero_point,
                       uint32_t *out, uint32_t step) {
  TF_ROLLED for (uint32_t q = first; q < depth; q += 4) {
    uint32_t pairs[2];
    widen_quad(x + (int32_t)q * stride, stride, depth - q, zero_point, pairs);
    out[q / 2 * step] = pairs[0];
    out[(q / 2 + 1) * step] = pairs[1];
  }
}

/* Four rows of the left operand as a tile. */
static void widen_rows(const tf_batch_matmul_params *m, const int8_t *a, uint32_t *tile) {
  const uint32_t offsets = tf_pack(-m->a_zero_point, -m->a_zero_point), depth = m->depth;
  const int32_t row = m->a_strides[1];
  uint32_t done = 0;
  if (m->a_strides[2] == 1) {
    const int8_t *b = a + row, *c = b + row, *d = c + row;
    for (uint32_t *out = tile; done + 4 <= depth; done += 4, out += 8) {
      const uint32_t p = tf_load(a + done), q = tf_load(b + done), r = tf_load(c + done), s = tf_load(d + done);
      out[0] = tf_even_plus(offsets, p);
      out[1] = tf_even_plus(offsets, q);
      out[2] = tf_even_plus(offsets, r);
      out[3] = tf_even_plus(offsets, s);
      out[4] = tf_odd_plus(offsets, p);
      out[5] = tf_odd_plus(offsets, q);
      out[6] = tf_odd_plus(offsets, r);
      out[7] = tf_odd_plus(offsets, s);
    }
  }
  if (done == depth) return;
  TF_ROLLED for (int32_t i = 0; i < 4; i++) {
    widen_line(a + i * row, m->a_strides[2], done, depth, m->a_zero_point, tile + i, 4);
  }
}

/* Column pairs [first, end) of the right operand, and the words of the stream that they become (tf_matrix.h). */
typedef struct {
  const tf_batch_matmul_params *product;
  const int8_t *b;
  uint32_t first, end;
  uint32_t record; /* words of a column pair */
  uint32_t *stream;
} columns;

/* If the columns are odd, the last pair overlaps the one before. */
static uint32_t first_column(const columns *c, uint32_t pair) {
  const uint32_t count = c->product->columns;
  return 2 * pair + 2 > count ? count - 2 : 2 * pair;
}

/* Columns that lie along the depth, a pair after the other; returns to which depth. */
static uint32_t widen_along(const columns *c) {
  const uint32_t offsets = tf_pack(-c->product->b_zero_point, -c->product->b_zero_point), depth = c->product->depth;
  const int32_t column = c->product->b_strides[2];
  uint32_t *record = c->stream + 2;
  for (uint32_t pair = c->first; pair < c->end; pair++, record += c->record) {
    const int8_t *x = c->b + (int32_t)first_column(c, pair) * column, *y = x + column;
    uint32_t *out = record;
    for (uint32_t q = 0; q + 4 <= depth; q += 4, out += 4) {
      const uint32_t p = tf_load(x + q), r = tf_load(y + q);
      out[0] = tf_even_plus(offsets, p);
      out[1] = tf_even_plus(offsets, r);
      out[2] = tf_odd_plus(offsets, p);
      out[3] = tf_odd_plus(offsets, r);
    }
  }
  return depth & ~UINT32_C(3);
}

/* Columns that lie side by side, four rows at a time; returns to which depth. */
static uint32_t widen_across(const columns *c) {
  const uint32_t offsets = tf_pack(-c->product->b_zero_point, -c->product->b_zero_point), depth = c->product->depth;
  const int32_t row = c->product->b_strides[1];
  const int8_t *b0 = c->b;
  for (uint32_t q = 0; q + 4 <= depth; q += 4, b0 += 4 * row) {
    const int8_t *b1 = b0 + row, *b2 = b1 + row, *b3 = b2 + row;
    uint32_t *out = c->stream + 2 + q;
    for (uint32_t pair = c->first; pair < c->end; pair++, out += c->record) {
      const uint32_t j = first_column(c, pair);
      const uint32_t even = tf_low_halves(tf_load_half(b0 + j), tf_load_half(b2 + j));
      const uint32_t odd = tf_low_halves(tf_load_half(b1 + j), tf_load_half(b3 + j));
      out[0] = tf_even_plus(offsets, even);
      out[1] = tf_odd_plus(offsets, even);
      out[2] = tf_even_plus(offsets, odd);
      out[3] = tf_odd_plus(offsets, odd);
    }
  }
  return depth & ~UINT32_C(3);
}

/* Both halves of `count` words times 2^shift. */
static void shift_words(uint32_t *words, uint32_t count, unsigned shift) {
  TF_ROLLED for (uint32_t i = 0; i < count; i++) words[i] = tf_shift_halves(words[i], shift);
}

static void widen_columns(const columns *c) {
  const tf_batch_matmul_params *m = c->product;
  const int32_t row = m->b_strides[1], column = m->b_strides[2];
  const uint32_t done = row == 1 ? widen_along(c) : column == 1 ? widen_across(c) : 0;
  uint32_t *record = c->stream;
  for (uint32_t pair = c->first; pair < c->end; pair++, record += c->record) {
    const uint32_t j = first_column(c, pair);
    uint32_t *tail = record + c->record - 3;
    record[0] = record[1] = 0;
    if (done < m->depth) {
      const int8_t *x = c->b + (int32_t)j * column;
      widen_line(x, row, done, m->depth, m->b_zero_point, record + 2, 2);
      widen_line(x + column, row, done, m->depth, m->b_zero_point, record + 3, 2);
    }
    if (m->shift) shift_words(record + 2, c->record - 5, m->shift);
    tail[0] = tail[1] = (uint32_t)m->multiplier;
    tail[2] = 2 * j + (pair + 1 == c->end);
  }
}

void TF(batch_matmul_rows)(const tf_batch_matmul_rows_params *p, const int8_t *a, const int8_t *b, int8_t *y,
                           void *scratch) {
  const tf_batch_matmul_params *m = &p->product;
  const uint32_t pairs = (m->depth + 3u) / 4 * 2, column_pairs = (m->columns + 1u) / 2;
  const uint32_t record = TF_DENSE_RECORD_WORDS(pairs);
  const int clamped = m->low > -128 || m->high < 127;
  uint32_t *stream = (uint32_t *)scratch;
  uint32_t *tile = stream + p->group_columns * record + TF_STREAM_SPARE_WORDS;
  tf_rows rows = {tile, tile + 4 * pairs, y, m->y_strides[1], m->zero_point, pairs};

  for (uint32_t batch = 0; batch < m->batch; batch++) {
    for (uint32_t first = 0; first < column_pairs; first += p->group_columns) {
      const uint32_t end = first + p->group_columns < column_pairs ? first + p->group_columns : column_pairs;
      const columns group = {m, b, first, end, record, stream};
      widen_columns(&group);
      for (uint32_t row = 0; row < m->rows; row += 4) {
        if (row + 4 > m->rows) row = m->rows - 4u; /* the last tile overlaps the one before */
        widen_rows(m, a + (int32_t)row * m->a_strides[1], tile);
        rows.y = y + (int32_t)row * m->y_strides[1];
        TF(dense_rows)(stream, &rows);
        TF_ROLLED for (int32_t i = 0; clamped && end == column_pairs && i < 4; i++) {
          TF(clamp_bytes)(rows.y + i * rows.stride, m->columns, m->low, m->high);
        }
      }
    }
    a += m->a_strides[0];
    b += m->b_strides[0];
    y += m->y_strides[0];
  }
}
