#include "tf_depthwise_rows.h"

/* Filters as the rows of outputs need them. An even row's window begins with the upper row of a line: that line is multiplied
 * with filter rows 0 and 1, the next one's upper row with filter row 2. An odd row's window begins with the lower row of a
 * line: the next line is multiplied with filter rows 1 and 2, this one's lower row with filter row 0. In words, for
 * even and then odd rows: bias, three columns of two filter rows, columns 0 and 1 of the third, column 2, multiplier. */
#define PARITY_WORDS 7
#define FILTER_WORDS (2 * PARITY_WORDS)

#if !TF_ARM_DSP

/* Rows of outputs; `high` tells which half of a word of the line `pair_bytes` behind meets the third filter row. */
static void multiply(const tf_depthwise_row *row, int stride, int high) {
  for (uint32_t channel = 0; channel < row->count; channel++) {
    const uint32_t *filter = row->filter + channel * FILTER_WORDS;
    const uint8_t *upper = (const uint8_t *)row->plane + channel * row->plane_bytes, *lower = upper + row->pair_bytes;
    int8_t *y = row->y + channel;
    for (uint32_t output = 0; output < 4 * row->tiles; output++, y += row->stride) {
      int32_t acc = (int32_t)filter[0];
      for (uint32_t column = 0; column < 3; column++) {
        const uint32_t at = 4 * (output * (uint32_t)stride + column), word = tf_load(lower + at);
        const uint32_t third = filter[4 + column / 2] >> (column == 1 ? 16 : 0);
        acc = tf_dot(tf_load(upper + at), filter[1 + column], acc);
        acc = tf_mac_low_low(high ? word >> 16 : word, third, acc);
      }
      *y = (int8_t)tf_saturate(tf_scale(acc, (int32_t)filter[6], row->zero_point));
    }
  }
}

void TF(depthwise_row_3x3_even)(const tf_depthwise_row *row) { multiply(row, 1, 0); }

void TF(depthwise_row_3x3_odd)(const tf_depthwise_row *row) { multiply(row, 1, 1); }

void TF(depthwise_row_3x3_stride_2)(const tf_depthwise_row *row) { multiply(row, 2, 0); }

#endif

static void widen(const tf_depthwise_rows_params *p, uint32_t first, uint32_t count, uint32_t *out) {
  const int8_t *weights = p->weights + (size_t)first * 12;
  const int32_t *channel = p->channels + (size_t)first * 2, scale = 1 << p->weight_shift;
  for (; count; count--, weights += 12, channel += 2, out += FILTER_WORDS) {
    int32_t w[3][3];
    for (int column = 0; column < 3; column++) {
      w[0][column] = weights[2 * column] * scale;
      w[1][column] = weights[2 * column + 1] * scale;
      w[2][column] = weights[2 * column + 6] * scale;
    }
    for (int parity = 0; parity < 2; parity++) {
      uint32_t *words = out + parity * PARITY_WORDS;
      const int32_t *third = w[parity ? 0 : 2];
      words[0] = (uint32_t)channel[0];
      for (int column = 0; column < 3; column++) words[1 + column] = tf_pack(w[parity][column], w[parity + 1][column]);
      words[4] = tf_pack(third[0], third[1]);
      words[5] = tf_pack(third[2], 0);
      words[6] = (uint32_t)channel[1];
    }
  }
}

void TF(depthwise_3x3)(const tf_depthwise_rows_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const int stride_2 = p->window.stride_x == 2;
  const tf_depthwise_method method = {
      .multiply = stride_2 ? TF(depthwise_row_3x3_stride_2) : TF(depthwise_row_3x3_even),
      .multiply_odd = stride_2 ? NULL : TF(depthwise_row_3x3_odd),
      .widen = widen,
      .filter_words = FILTER_WORDS,
      .odd_filter = PARITY_WORDS,
  };
  TF(depthwise_by_rows)(p, x, y, scratch, &method);
}
