#include "tf_rows.h"

void TF(conv_sparse)(const tf_conv_sparse_params *p, const int8_t *x, int8_t *y, void *scratch) {
  static const tf_tiling tiling = {TF(multiply_tiles), TF(widen_4), 1};
  TF(conv_sparse_by)(p, x, y, scratch, &tiling);
}
