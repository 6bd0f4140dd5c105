/* SPDX-License-Identifier: Apache-2.0 */
/* tf_depthwise_row_5x5_* for ARMv7E-M. */
#include "tf_name.h"
#if TF_ARM_DSP

#define SIZE 5
#define AHEAD 1

w0 .req r8
w1 .req r9
w2 .req r10
w3 .req r11
w4 .req r12
pair_bytes .req r1
ahead      .req lr

#include "tf_depthwise_square_asm.h"

  define_kernel TF(depthwise_row_5x5_stride_1), 1, ahead, w3, w4
  define_kernel TF(depthwise_row_5x5_stride_2), 2, ahead, w3, w4

#endif
