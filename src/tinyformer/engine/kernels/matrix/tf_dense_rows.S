/* SPDX-License-Identifier: Apache-2.0 */
/* tf_dense_rows for ARMv7E-M. */
#define DENSE_ROWS TF(dense_rows)
#define KERNEL_WIDTH 1
#define UNROLLED 32
#include "tf_dense_rows_asm.h"
