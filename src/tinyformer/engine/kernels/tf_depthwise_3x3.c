#include "tf_depthwise_rows.h"

#if !TF_ARM_DSP

void TF(depthwise_row_3x3)(const tf_depthwise_row *row) { tf_depthwise_tiles(3, 1, row); }

void TF(depthwise_row_3x3_stride_2)(const tf_depthwise_row *row) { tf_depthwise_tiles(3, 2, row); }

#endif

void TF(depthwise_3x3)(const tf_depthwise_rows_params *p, const int8_t *x, int8_t *y, void *scratch) {
  TF(depthwise_by_rows)(p, x, y, scratch,
                        p->window.stride_x == 2 ? TF(depthwise_row_3x3_stride_2) : TF(depthwise_row_3x3));
}
