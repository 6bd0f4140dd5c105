/* SPDX-License-Identifier: Apache-2.0 */
/* tf_widen_6 for ARMv7E-M. */
#define WIDEN TF(widen_6)
#define COLUMNS 6
#include "tf_widen_asm.h"
