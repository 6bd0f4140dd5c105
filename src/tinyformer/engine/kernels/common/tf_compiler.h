/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between compilers. */
#ifndef TF_COMPILER_H
#define TF_COMPILER_H

/* For functions that take constants which must reach the compiler's unroller. */
#if defined(__GNUC__)
#define TF_INLINE static inline __attribute__((always_inline))
#else
#define TF_INLINE static inline
#endif

/* Before a loop that is not worth the code of unrolling it: it runs once a layer or once a tile. Other compilers than
 * Clang unroll nothing unless asked to. */
#if defined(__clang__)
#define TF_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define TF_ROLLED
#endif

#endif
