/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_matrix.h"

void TF(conv_dense_3)(const tf_conv_dense_params *p, const int8_t *x, int8_t *y, void *scratch) {
  static const tf_tiling tiling = {TF(multiply_bands), TF(widen_6), 3};
  TF(conv_dense_body)(p, x, y, scratch, &tiling, TF(dense_rows_3));
}
