/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_depthwise_rows.h"

static void widen(const tf_depthwise_rows_params *p, uint32_t first, uint32_t count, uint32_t *out) {
  const int8_t *weights = p->weights + (size_t)first * 12;
  const int32_t *channel = p->channels + (size_t)first * 2, scale = 1 << p->weight_shift;
  for (; count; count--, weights += 12, channel += 2, out += TF_3X3_FILTER_WORDS) {
    int32_t w[3][3];
    for (int column = 0; column < 3; column++) {
      w[0][column] = weights[2 * column] * scale;
      w[1][column] = weights[2 * column + 1] * scale;
      w[2][column] = weights[2 * column + 6] * scale;
    }
    for (int parity = 0; parity < 2; parity++) {
      uint32_t *words = out + parity * TF_3X3_PARITY_WORDS;
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
      .filter_words = TF_3X3_FILTER_WORDS,
      .odd_filter = TF_3X3_PARITY_WORDS,
  };
  TF(depthwise_body)(p, x, y, scratch, &method);
}
