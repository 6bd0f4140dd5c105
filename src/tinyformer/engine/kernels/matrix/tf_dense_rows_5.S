/* SPDX-License-Identifier: Apache-2.0 */
/* tf_dense_rows_5 for ARMv7E-M. */
#define DENSE_ROWS TF(dense_rows_5)
#define KERNEL_WIDTH 5
#define UNROLLED 8
#include "tf_dense_rows_asm.h"
