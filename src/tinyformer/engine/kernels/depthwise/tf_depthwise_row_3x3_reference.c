/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_depthwise_rows.h"

#if !TF_ARM_DSP

/* Rows of outputs; `high` tells which half of a word of the line `pair_bytes` behind meets the third filter row. */
static void multiply(const tf_depthwise_row *row, int stride, int high) {
  for (uint32_t channel = 0; channel < row->count; channel++) {
    const uint32_t *filter = row->filter + channel * TF_3X3_FILTER_WORDS;
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
