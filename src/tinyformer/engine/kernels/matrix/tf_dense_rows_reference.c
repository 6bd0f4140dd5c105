/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_dense_rows_reference.h"

#if !TF_ARM_DSP

void TF(dense_rows)(const uint32_t *stream, const tf_rows *rows) { tf_multiply_dense_rows(stream, rows, 1); }

#endif
