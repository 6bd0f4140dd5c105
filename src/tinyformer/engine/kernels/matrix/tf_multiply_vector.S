/* SPDX-License-Identifier: Apache-2.0 */
/* tf_multiply_vector for ARMv7E-M: 16 multiply-accumulates in 11 cycles of a Cortex-M7, which loads two neighbouring words at
 * once, and joins a SXTB16 with a load or with a SMLAD that does not wait for it. The reference, tf_multiply_vector_reference.c, says what it computes. */
#include "tf_name.h"
#if TF_ARM_DSP

weights .req r0
other   .req r1   /* weights of the second row pair */
x       .req r2
left    .req r3
sum0    .req r4
sum1    .req r5
sum2    .req r6
sum3    .req r7
word0   .req r8   /* weights as stored, then as the odd pair */
word1   .req r9
even    .req r10
x0      .req r11
x1      .req r12

  .syntax unified
  .thumb
  .text

  /* Two words of either row pair's weights and two input pairs. */
  .macro two_pairs
    ldr x0, [x], #8
    ldr word0, [weights], #8
    ldr word1, [weights, #-4]
    sxtb16 even, word0
    ldr x1, [x, #-4]
    sxtb16 word0, word0, ror #8
    smlad sum0, even, x0, sum0
    sxtb16 even, word1
    smlad sum1, word0, x0, sum1
    sxtb16 word1, word1, ror #8
    smlad sum0, even, x1, sum0
    ldr word0, [other], #8
    smlad sum1, word1, x1, sum1
    sxtb16 even, word0
    ldr word1, [other, #-4]
    sxtb16 word0, word0, ror #8
    smlad sum2, even, x0, sum2
    sxtb16 even, word1
    smlad sum3, word0, x0, sum3
    sxtb16 word1, word1, ror #8
    smlad sum2, even, x1, sum2
    smlad sum3, word1, x1, sum3
  .endm

  .global TF(multiply_vector)
  .type TF(multiply_vector), %function
  .thumb_func
  .p2align 3
TF(multiply_vector):
  push {r3-r11, lr}
  mov lr, r2                    /* pairs */
  mov x, r1
  ldrd weights, other, [r0]
  ldm r3, {sum0, sum1, sum2, sum3}
  ands left, lr, #7
  beq 2f
1:                              /* the 2, 4 or 6 pairs beyond a multiple of 8 */
  two_pairs
  subs left, #2
  bne 1b
2:
  lsrs left, lr, #3
  beq 4f
  .p2align 3
3:
  two_pairs
  two_pairs
  two_pairs
  subs left, #1
  two_pairs
  bne 3b
4:
  pop {r3}
  stm r3, {sum0, sum1, sum2, sum3}
  pop {r4-r11, pc}
  .size TF(multiply_vector), . - TF(multiply_vector)

#endif
