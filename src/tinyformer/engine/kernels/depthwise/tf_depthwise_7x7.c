/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_depthwise_rows.h"

static void widen(const tf_depthwise_rows_params *p, uint32_t first, uint32_t count, uint32_t *out) {
  tf_widen_filters(7, p, first, count, out);
}

void TF(depthwise_7x7)(const tf_depthwise_rows_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const tf_depthwise_method method = {
      .multiply = p->window.stride_x == 2 ? TF(depthwise_row_7x7_stride_2) : TF(depthwise_row_7x7_stride_1),
      .widen = widen,
      .filter_words = TF_FILTER_WORDS(7),
  };
  TF(depthwise_body)(p, x, y, scratch, &method);
}
