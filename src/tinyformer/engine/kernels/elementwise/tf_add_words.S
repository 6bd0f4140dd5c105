/* SPDX-License-Identifier: Apache-2.0 */
/* tf_add_words for ARMv7E-M: see tf_words.h. Bytes of both operands are brought together, so that one SMLAD makes a sum; the
 * shift is a high product, for the shifter is what packing and unpacking wait for. */
#include "tf_name.h"
#if TF_ARM_DSP

#include "tf_words_offsets.h"

multipliers .req r4
offset      .req r5
scale       .req r6

  .syntax unified
  .thumb
  .text
  .global TF(add_words)
  .type TF(add_words), %function
  .thumb_func
  .p2align 3
TF(add_words):
  push {r4-r11, lr}
  sub sp, #4
  ldrd multipliers, offset, [r0, #tf_add_terms_at_multipliers]
  ldrd scale, r0, [r0, #tf_add_terms_at_scale]
  str r0, [sp]                  /* y_end */

  .p2align 3
1:
  ldr r0, [r1], #4              /* a0 a1 a2 a3 */
  ldr r7, [r2], #4              /* b0 b1 b2 b3 */
  ldr r10, [r1], #4
  ldr r11, [r2], #4
  pkhbt r8, r0, r7, lsl #16     /* a0 a1 b0 b1 */
  pkhtb r7, r7, r0, asr #16     /* a2 a3 b2 b3 */
  sxtb16 r0, r8
  sxtb16 r8, r8, ror #8
  smlad r0, r0, multipliers, offset
  sxtb16 r9, r7
  smlad r8, r8, multipliers, offset
  sxtb16 r7, r7, ror #8
  smlad r9, r9, multipliers, offset
  pkhbt r12, r10, r11, lsl #16
  smlad r7, r7, multipliers, offset
  pkhtb r11, r11, r10, asr #16
  smmul r0, r0, scale
  sxtb16 r10, r12
  smmul r9, r9, scale
  sxtb16 r12, r12, ror #8
  smmul r8, r8, scale
  sxtb16 lr, r11
  smmul r7, r7, scale
  pkhbt r0, r0, r9, lsl #16     /* sums 0 and 2 */
  smlad r10, r10, multipliers, offset
  sxtb16 r11, r11, ror #8
  smlad r12, r12, multipliers, offset
  pkhbt r8, r8, r7, lsl #16     /* sums 1 and 3 */
  smlad lr, lr, multipliers, offset
  usat16 r0, #8, r0
  smlad r11, r11, multipliers, offset
  usat16 r8, #8, r8
  smmul r10, r10, scale
  smmul lr, lr, scale
  ldr r9, [sp]
  smmul r12, r12, scale
  orr r0, r0, r8, lsl #8
  smmul r11, r11, scale
  pkhbt r10, r10, lr, lsl #16
  eor r0, r0, #0x80808080
  usat16 r10, #8, r10
  str r0, [r3], #4
  pkhbt r12, r12, r11, lsl #16
  usat16 r12, #8, r12
  orr r10, r10, r12, lsl #8
  eor r10, r10, #0x80808080
  str r10, [r3], #4
  cmp r3, r9
  bne 1b

  add sp, #4
  pop {r4-r11, pc}
  .size TF(add_words), . - TF(add_words)

#endif
