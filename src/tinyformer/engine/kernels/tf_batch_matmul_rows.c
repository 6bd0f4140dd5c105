#include "tf_requantize.h"
#include "tf_rows.h"
#include "tf_simd.h"

/* One column pair of the right operand as a record of the stream (tf_rows.h). The left operand's zero point is taken from
 * the sums of the weights, as convolutions have it folded into their bias. */
static uint32_t *widen_columns(const tf_batch_matmul_rows_params *p, const int8_t *b, uint32_t *out) {
  const int32_t row = p->product.b_strides[1], column = p->product.b_strides[2];
  const uint32_t depth = p->product.depth;
  const uint32_t zero = tf_pack(p->product.b_zero_point, p->product.b_zero_point);
  uint32_t *bias = out;
  int32_t sum_0 = 0, sum_1 = 0;
  uint32_t q = 0;
  out += 2;
  for (; q + 4 <= depth; q += 4, b += 4 * row, out += 4) {
    if (row == 1) {
      const uint32_t first = tf_load(b), second = tf_load(b + column);
      out[0] = tf_subtract_halves(tf_even(first), zero);
      out[1] = tf_subtract_halves(tf_even(second), zero);
      out[2] = tf_subtract_halves(tf_odd(first), zero);
      out[3] = tf_subtract_halves(tf_odd(second), zero);
    } else {
      const int8_t *c = b + column;
      out[0] = tf_subtract_halves(tf_pack(b[0], b[2 * row]), zero);
      out[1] = tf_subtract_halves(tf_pack(c[0], c[2 * row]), zero);
      out[2] = tf_subtract_halves(tf_pack(b[row], b[3 * row]), zero);
      out[3] = tf_subtract_halves(tf_pack(c[row], c[3 * row]), zero);
    }
    sum_0 = tf_dot(out[2], 0x00010001u, tf_dot(out[0], 0x00010001u, sum_0));
    sum_1 = tf_dot(out[3], 0x00010001u, tf_dot(out[1], 0x00010001u, sum_1));
  }
  if (q < depth) {
    int32_t rest[2][4] = {{0}};
    for (uint32_t i = 0; q + i < depth; i++) {
      rest[0][i] = b[(int32_t)i * row] - p->product.b_zero_point;
      rest[1][i] = b[(int32_t)i * row + column] - p->product.b_zero_point;
      sum_0 += rest[0][i];
      sum_1 += rest[1][i];
    }
    *out++ = tf_pack(rest[0][0], rest[0][2]);
    *out++ = tf_pack(rest[1][0], rest[1][2]);
    *out++ = tf_pack(rest[0][1], rest[0][3]);
    *out++ = tf_pack(rest[1][1], rest[1][3]);
  }
  bias[0] = (uint32_t)(-sum_0 * p->product.a_zero_point);
  bias[1] = (uint32_t)(-sum_1 * p->product.a_zero_point);
  *out++ = (uint32_t)p->product.multiplier;
  *out++ = (uint32_t)p->product.multiplier;
  return out;
}

/* Four rows of the left operand. What pads them to a multiple of 4 meets weights of 0. */
static void gather_rows(const tf_batch_matmul_rows_params *p, const int8_t *a, int8_t *patch, uint32_t *tile) {
  const uint32_t depth = p->product.depth, whole = depth & ~UINT32_C(3);
  const int8_t *source[4], *rest[4];
  for (int i = 0; i < 4; i++) {
    source[i] = a + i * p->product.a_strides[1];
    rest[i] = patch + 4 * i;
    for (uint32_t q = whole; q < depth; q++) patch[4 * (uint32_t)i + q - whole] = source[i][q];
  }
  tile = TF(widen_tile)(source, whole / 4, tile);
  if (whole < depth) TF(widen_tile)(rest, 1, tile);
}

void TF(batch_matmul_rows)(const tf_batch_matmul_rows_params *p, const int8_t *a, const int8_t *b, int8_t *y,
                           void *scratch) {
  const tf_batch_matmul_params *m = &p->product;
  const uint32_t pairs = (m->depth + 3u) / 4 * 2, column_pairs = (m->columns + 1u) / 2;
  const int clamped = m->low > -128 || m->high < 127;
  uint32_t *stream = (uint32_t *)scratch;
  uint32_t *tile = stream + p->group_columns * TF_DENSE_RECORD_WORDS(pairs) + 4;
  int8_t *patch = (int8_t *)(tile + 4 * pairs + 1);
  tf_rows rows = {tile, tile + 4 * pairs, y, m->y_strides[1], m->zero_point, pairs};

  memset(patch, 0, 16);
  for (uint32_t batch = 0; batch < m->batch; batch++) {
    for (uint32_t first = 0; first < column_pairs; first += p->group_columns) {
      const uint32_t end = first + p->group_columns < column_pairs ? first + p->group_columns : column_pairs;
      uint32_t *out = stream;
      for (uint32_t pair = first; pair < end; pair++) {
        const uint32_t column = 2 * pair + 2 > m->columns ? m->columns - 2u : 2 * pair;
        out = widen_columns(p, b + (int32_t)column * m->b_strides[2], out);
        *out++ = 2 * column + (pair + 1 == end);
      }
      for (uint32_t row = 0; row < m->rows; row += 4) {
        if (row + 4 > m->rows) row = m->rows - 4u; /* the last tile overlaps the one before */
        gather_rows(p, a + (int32_t)row * m->a_strides[1], patch, tile);
        rows.y = y + (int32_t)row * m->y_strides[1];
        TF(dense_rows)(stream, &rows);
        for (int32_t i = 0; clamped && end == column_pairs && i < 4; i++) {
          TF(clamp_bytes)(rows.y + i * rows.stride, m->columns, m->low, m->high);
        }
      }
    }
    a += m->a_strides[0];
    b += m->b_strides[0];
    y += m->y_strides[0];
  }
}
