/* SPDX-License-Identifier: Apache-2.0 */
/* Names of kernels, for C and assembly alike. */
#ifndef TF_NAME_H
#define TF_NAME_H

#include "tf_prefix.h"

#define TF_JOIN_(a, b) a##b
#define TF_JOIN(a, b) TF_JOIN_(a, b)
/* The external name of a kernel: TF(add) is tf_add, or what tf_prefix.h makes of it. */
#define TF(name) TF_JOIN(TF_PREFIX, name)

/* Whether the assembly of this library runs: ARMv7E-M and its successors with DSP extension, that is Cortex-M4, M7, M33
 * and the like. The references in C do otherwise. */
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__) && !defined(TF_PORTABLE)
#define TF_ARM_DSP 1
#else
#define TF_ARM_DSP 0
#endif

#endif
