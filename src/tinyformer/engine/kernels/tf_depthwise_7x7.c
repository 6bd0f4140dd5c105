#include "tf_depthwise_rows.h"

#if !TF_ARM_DSP
void TF(depthwise_row_7x7_stride_1)(const tf_depthwise_row *row) { tf_depthwise_square(7, 1, row); }

void TF(depthwise_row_7x7_stride_2)(const tf_depthwise_row *row) { tf_depthwise_square(7, 2, row); }
#endif

static void widen(const tf_depthwise_rows_params *p, uint32_t first, uint32_t count, uint32_t *out) {
  tf_widen_filters(7, p, first, count, out);
}

void TF(depthwise_7x7)(const tf_depthwise_rows_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const tf_depthwise_method method = {
      .multiply = p->window.stride_x == 2 ? TF(depthwise_row_7x7_stride_2) : TF(depthwise_row_7x7_stride_1),
      .widen = widen,
      .filter_words = TF_FILTER_WORDS(7),
  };
  TF(depthwise_by_rows)(p, x, y, scratch, &method);
}
