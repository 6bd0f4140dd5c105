/* SPDX-License-Identifier: Apache-2.0 */
/* tf_depthwise_row_7x7_* for ARMv7E-M. */
#include "tf_name.h"
#if TF_ARM_DSP

#define SIZE 7
#define AHEAD 0

w0 .req r8
w1 .req r9
w2 .req r10
w3 .req r11
w4 .req r12
w5 .req lr
w6 .req r1

#include "tf_depthwise_square_asm.h"

  define_kernel TF(depthwise_row_7x7_stride_1), 1, p, w5, w6
  define_kernel TF(depthwise_row_7x7_stride_2), 2, p, w5, w6

#endif
