/* tf_widen_4 for ARMv7E-M. */
#define WIDEN TF(widen_4)
#define COLUMNS 4
#include "tf_widen_asm.h"
