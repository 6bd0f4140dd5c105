/* SPDX-License-Identifier: Apache-2.0 */
/* tf_mul_words for ARMv7E-M: see tf_words.h. */
#include "tf_name.h"
#if TF_ARM_DSP

#include "tf_words_offsets.h"

a_offsets  .req r4
b_offsets  .req r5
multiplier .req r6
zero       .req r7

  .syntax unified
  .thumb
  .text
  .global TF(mul_words)
  .type TF(mul_words), %function
  .thumb_func
  .p2align 3
TF(mul_words):
  push {r4-r11, lr}
  ldrd a_offsets, b_offsets, [r0, #tf_mul_terms_at_a_offsets]
  ldrd multiplier, zero, [r0, #tf_mul_terms_at_multiplier]
  ldr r8, [r0, #tf_mul_terms_at_y_end]
  push {r8, lr}                 /* y_end, and a word to keep the stack aligned */

  .p2align 3
1:
  ldr r0, [r1], #4
  ldr r8, [r2], #4
  ldr r11, [r1], #4
  sxtab16 r9, a_offsets, r0
  sxtab16 r10, b_offsets, r8
  sxtab16 r0, a_offsets, r0, ror #8
  smulbb r12, r9, r10           /* element 0 */
  sxtab16 r8, b_offsets, r8, ror #8
  smultt r9, r9, r10            /* element 2 */
  ldr r10, [r2], #4
  smulbb lr, r0, r8             /* element 1 */
  smultt r0, r0, r8             /* element 3 */
  smmlar r12, r12, multiplier, zero
  sxtab16 r8, a_offsets, r11
  smmlar r9, r9, multiplier, zero
  sxtab16 r11, a_offsets, r11, ror #8
  smmlar lr, lr, multiplier, zero
  smmlar r0, r0, multiplier, zero
  pkhbt r12, r12, r9, lsl #16
  sxtab16 r9, b_offsets, r10
  sxtab16 r10, b_offsets, r10, ror #8
  usat16 r12, #8, r12
  pkhbt r0, lr, r0, lsl #16
  smulbb lr, r8, r9
  usat16 r0, #8, r0
  smultt r8, r8, r9
  smulbb r9, r11, r10
  smultt r11, r11, r10
  orr r0, r12, r0, lsl #8
  smmlar lr, lr, multiplier, zero
  smmlar r8, r8, multiplier, zero
  eor r0, r0, #0x80808080
  smmlar r9, r9, multiplier, zero
  smmlar r11, r11, multiplier, zero
  str r0, [r3], #8
  pkhbt r8, lr, r8, lsl #16
  ldr r10, [sp]
  usat16 r8, #8, r8
  pkhbt r9, r9, r11, lsl #16
  cmp r3, r10
  usat16 r9, #8, r9
  orr r8, r8, r9, lsl #8
  eor r8, r8, #0x80808080
  str r8, [r3, #-4]
  bne 1b

  add sp, #8
  pop {r4-r11, pc}
  .size TF(mul_words), . - TF(mul_words)

#endif
