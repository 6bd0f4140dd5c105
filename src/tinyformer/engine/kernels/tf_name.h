/* Names of kernels, for C and assembly alike. */
#ifndef TF_NAME_H
#define TF_NAME_H

#include "tf_prefix.h"

#define TF_JOIN_(a, b) a##b
#define TF_JOIN(a, b) TF_JOIN_(a, b)
/* The external name of a kernel: TF(add) is tf_add, or what tf_prefix.h makes of it. */
#define TF(name) TF_JOIN(TF_PREFIX, name)

/* Whether the assembly of this library runs: ARMv7E-M, that is Cortex-M4 and Cortex-M7. The C twins do otherwise. */
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__) && !defined(TF_PORTABLE)
#define TF_ARM_DSP 1
#else
#define TF_ARM_DSP 0
#endif

#endif
