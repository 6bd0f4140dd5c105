/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_depthwise_square_reference.h"

#if !TF_ARM_DSP

void TF(depthwise_row_5x5_stride_1)(const tf_depthwise_row *row) { tf_depthwise_square(5, 1, row); }

void TF(depthwise_row_5x5_stride_2)(const tf_depthwise_row *row) { tf_depthwise_square(5, 2, row); }

#endif
