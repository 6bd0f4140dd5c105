/* SPDX-License-Identifier: Apache-2.0 */
/* tf_widen_8 for ARMv7E-M. */
#define WIDEN TF(widen_8)
#define COLUMNS 8
#include "tf_widen_asm.h"
