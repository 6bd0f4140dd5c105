/* SPDX-License-Identifier: Apache-2.0 */
/* The depthwise_row functions of larger filters (tf_depthwise_rows.h) in plain C. */
#ifndef TF_DEPTHWISE_SQUARE_REFERENCE_H
#define TF_DEPTHWISE_SQUARE_REFERENCE_H

#include "tf_depthwise_rows.h"

/* A row of outputs of larger filters. */
static inline void tf_depthwise_square(uint32_t size, uint32_t stride, const tf_depthwise_row *row) {
  for (uint32_t channel = 0; channel < row->count; channel++) {
    const uint32_t *filter = row->filter + channel * TF_FILTER_WORDS(size);
    const uint8_t *plane = (const uint8_t *)row->plane + channel * row->plane_bytes;
    int8_t *y = row->y + channel;
    for (uint32_t output = 0; output < 4 * row->tiles; output++, y += row->stride) {
      const uint8_t *line = plane + 4 * output * stride;
      const uint32_t *words = filter + 1;
      int32_t acc = (int32_t)filter[0];
      for (uint32_t pair = 0; pair < (size + 1) / 2; pair++, line += row->pair_bytes, words += size) {
        for (uint32_t column = 0; column < size; column++) acc = tf_dot(tf_load(line + 4 * column), words[column], acc);
      }
      *y = (int8_t)tf_saturate(tf_scale(acc, (int32_t)*words, row->zero_point));
    }
  }
}

#endif
