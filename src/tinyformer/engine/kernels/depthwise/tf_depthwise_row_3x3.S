/* SPDX-License-Identifier: Apache-2.0 */
/* tf_depthwise_row_3x3_* for ARMv7E-M: tiles of four outputs in four accumulators, six products and one requantization an
 * output. The reference, tf_depthwise_row_3x3_reference.c, says what it computes. */
#include "tf_name.h"
#if TF_ARM_DSP

#include "tf_depthwise_asm.h"
#include "tf_layout.h"

#define RECORD_BYTES (4 * TF_3X3_FILTER_WORDS)
#define MULTIPLIER (4 * (TF_3X3_PARITY_WORDS - 1))

lower   .req r1     /* words of the third filter row, in one half; upper has those of two rows */
w0      .req r8     /* two filter rows, columns 0 to 2 */
w1      .req r9
w2      .req r10
third01 .req r11    /* the third, columns 0 and 1, and 2 */
q       .req r12
third2  .req lr

  /* `half` is b where the words of the third filter row hold it low, t where high. */
  .macro tile_stride_1 half
    smlad sum0, p, w0, sum3
    ldr q, [lower]
    smla\half\()b sum0, q, third01, sum0
    ldr p, [upper, #4]
    smlad sum0, p, w1, sum0
    ldr q, [lower, #4]
    smlad sum1, p, w0, sum3
    smla\half\()t sum0, q, third01, sum0
    ldr p, [upper, #8]
    smla\half\()b sum1, q, third01, sum1
    smlad sum0, p, w2, sum0
    ldr q, [lower, #8]
    smlad sum1, p, w1, sum1
    smlad sum2, p, w0, sum3
    ldr p, [upper, #12]
    smla\half\()b sum0, q, third2, sum0
    smla\half\()t sum1, q, third01, sum1
    smla\half\()b sum2, q, third01, sum2
    ldr q, [lower, #12]
    smlad sum1, p, w2, sum1
    smlad sum2, p, w1, sum2
    smlad sum3, p, w0, sum3
    ldr p, [upper, #16]
    smla\half\()b sum1, q, third2, sum1
    ldr w0, [filter, #RECORD_BYTES + 4]
    smla\half\()t sum2, q, third01, sum2
    smla\half\()b sum3, q, third01, sum3
    ldr q, [lower, #16]
    smlad sum2, p, w2, sum2
    smlad sum3, p, w1, sum3
    ldr p, [upper, #20]
    smla\half\()b sum2, q, third2, sum2
    ldr w1, [filter, #RECORD_BYTES + 8]
    smla\half\()t sum3, q, third01, sum3
    ldr q, [lower, #20]
    smlad sum3, p, w2, sum3
    ldr p, [filter, #MULTIPLIER]
    smla\half\()b sum3, q, third2, sum3
    ldr q, [sp, #FRAME_ZERO_POINT]
  .endm

  .macro tile_stride_2 half
    smlad sum0, p, w0, sum3
    ldr q, [lower]
    smla\half\()b sum0, q, third01, sum0
    ldr p, [upper, #4]
    smlad sum0, p, w1, sum0
    ldr q, [lower, #4]
    smla\half\()t sum0, q, third01, sum0
    ldr p, [upper, #8]
    smlad sum0, p, w2, sum0
    ldr q, [lower, #8]
    smlad sum1, p, w0, sum3
    smla\half\()b sum0, q, third2, sum0
    ldr p, [upper, #12]
    smla\half\()b sum1, q, third01, sum1
    ldr q, [lower, #12]
    smlad sum1, p, w1, sum1
    ldr p, [upper, #16]
    smla\half\()t sum1, q, third01, sum1
    ldr q, [lower, #16]
    smlad sum1, p, w2, sum1
    smlad sum2, p, w0, sum3
    ldr p, [upper, #20]
    smla\half\()b sum1, q, third2, sum1
    smla\half\()b sum2, q, third01, sum2
    ldr q, [lower, #20]
    smlad sum2, p, w1, sum2
    ldr p, [upper, #24]
    smla\half\()t sum2, q, third01, sum2
    ldr q, [lower, #24]
    smlad sum2, p, w2, sum2
    smlad sum3, p, w0, sum3
    ldr p, [upper, #28]
    smla\half\()b sum2, q, third2, sum2
    ldr w0, [filter, #RECORD_BYTES + 4]
    smla\half\()b sum3, q, third01, sum3
    ldr q, [lower, #28]
    smlad sum3, p, w1, sum3
    ldr p, [upper, #32]
    smla\half\()t sum3, q, third01, sum3
    ldr q, [lower, #32]
    smlad sum3, p, w2, sum3
    ldr p, [filter, #MULTIPLIER]
    smla\half\()b sum3, q, third2, sum3
    ldr q, [sp, #FRAME_ZERO_POINT]
    ldr w1, [filter, #RECORD_BYTES + 8]
  .endm

  /* Rows of outputs; `tile` is the macro with its half, `bytes` what its inputs advance by. */
  .macro define_kernel name, tile, half, bytes
  .global \name
  .type \name, %function
  .thumb_func
  .p2align 3
\name:
  enter RECORD_BYTES, 0
1:
  begin_tile \bytes
  ldr lower, [sp, #FRAME_PAIR_BYTES]
  ldm filter, {sum3, w0, w1, w2, third01, third2}
  add lower, lower, upper
  .p2align 3
2:
  ldr p, [upper]
  \tile \half
  finish_tile p, q, third2, RECORD_BYTES, lower
  ldr w2, [filter, #12]
  ldr third01, [filter, #16]
  ldr third2, [filter, #20]
  ldr sum3, [filter]
  bne 2b
  next_tile_or_leave 1b
  .size \name, . - \name
  .endm

  define_kernel TF(depthwise_row_3x3_even), tile_stride_1, b, 16
  define_kernel TF(depthwise_row_3x3_odd), tile_stride_1, t, 16
  define_kernel TF(depthwise_row_3x3_stride_2), tile_stride_2, b, 32

#endif
