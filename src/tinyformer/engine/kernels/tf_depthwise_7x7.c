#include "tf_depthwise_rows.h"

static void multiply(const tf_depthwise_row *row) { tf_depthwise_tiles(7, 1, row); }

static void multiply_stride_2(const tf_depthwise_row *row) { tf_depthwise_tiles(7, 2, row); }

void TF(depthwise_7x7)(const tf_depthwise_rows_params *p, const int8_t *x, int8_t *y, void *scratch) {
  TF(depthwise_by_rows)(p, x, y, scratch, p->window.stride_x == 2 ? multiply_stride_2 : multiply);
}
