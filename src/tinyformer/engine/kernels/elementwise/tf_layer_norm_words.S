/* SPDX-License-Identifier: Apache-2.0 */
/* The loops of LayerNorm over words of four elements for ARMv7E-M: see tf_words.h. */
#include "tf_name.h"
#if TF_ARM_DSP

#include "tf_words_offsets.h"

  .syntax unified
  .thumb
  .text

  .global TF(layer_norm_sums)
  .type TF(layer_norm_sums), %function
  .thumb_func
  .p2align 3
TF(layer_norm_sums):
  push {r4-r11, lr}
  mov r12, #0x00010001
  ldrd r3, r4, [r2]             /* sum and squares of even elements, r5 and r6 of odd ones */
  movs r5, #0
  movs r6, #0

  .p2align 3
1:
  ldr r7, [r0], #4
  ldr r10, [r0], #4
  sxtb16 r8, r7
  sxtb16 r9, r7, ror #8
  smlad r3, r8, r12, r3
  sxtb16 r11, r10
  smlad r4, r8, r8, r4
  sxtb16 r10, r10, ror #8
  smlad r5, r9, r12, r5
  cmp r0, r1
  smlad r6, r9, r9, r6
  smlad r3, r11, r12, r3
  smlad r5, r10, r12, r5
  smlad r4, r11, r11, r4
  smlad r6, r10, r10, r6
  bne 1b

  add r3, r3, r5
  add r4, r4, r6
  strd r3, r4, [r2]
  pop {r4-r11, pc}
  .size TF(layer_norm_sums), . - TF(layer_norm_sums)

x          .req r1
y          .req r2
gamma      .req r0
beta       .req r3
factor     .req r4
offset     .req r5
multiplier .req r6
shift      .req r7              /* less 16 */

  /* \zero .. \three hold x * factor + offset of four elements. Results are left in the halves of \zero (elements 0 and 2) and
   * \one (1 and 3), before saturation; flags tell whether they are the last. */
  .macro normalize zero, one, two, three
    smmulr \zero, \zero, multiplier
    ldr r12, [gamma], #4
    smmulr \one, \one, multiplier
    ldr lr, [beta], #4
    smlabb \zero, \zero, r12, lr
    ldr lr, [beta], #4
    smmulr \two, \two, multiplier
    smlabt \one, \one, r12, lr
    ldr r12, [gamma], #4
    smmulr \three, \three, multiplier
    ldr lr, [beta], #4
    smlabb \two, \two, r12, lr
    ldr lr, [beta], #4
    smlabt \three, \three, r12, lr
    asr \zero, \zero, shift
    asr \one, \one, shift
    ldr lr, [sp]
    asr \two, \two, shift
    cmp y, lr
    asr \three, \three, shift
    pkhtb \zero, \two, \zero, asr #16
    pkhtb \one, \three, \one, asr #16
  .endm

  /* Saturates, packs and stores what normalize left in \zero and \one, and prepares the next four elements: 0 in \two, 1 in
   * \three, 2 in \zero and 3 in \one. */
  .macro store_and_load zero, one, two, three
    ldr \three, [x], #4
    ssat16 \zero, #8, \zero
    lsl \two, \three, #8
    and \three, \three, #0xFF00FF00 /* elements 1 and 3, times 2^8 */
    ssat16 \one, #8, \one
    and \two, \two, #0xFF00FF00 /* elements 0 and 2 */
    and r12, \zero, #0x00FF00FF
    smlawt \zero, factor, \two, offset
    and lr, \one, #0x00FF00FF
    smlawb \two, factor, \two, offset
    smlawt \one, factor, \three, offset
    orr r12, r12, lr, lsl #8
    smlawb \three, factor, \three, offset
    str r12, [y], #4
  .endm

  .global TF(layer_norm_words)
  .type TF(layer_norm_words), %function
  .thumb_func
  .p2align 3
TF(layer_norm_words):
  push {r4-r11, lr}
  ldr r8, [r0, #tf_layer_norm_terms_at_y_last]
  ldrd factor, offset, [r0, #tf_layer_norm_terms_at_wide_factor]
  ldrd multiplier, shift, [r0, #tf_layer_norm_terms_at_multiplier]
  ldrd gamma, beta, [r0, #tf_layer_norm_terms_at_gamma]
  push {r8, lr}                 /* y_last, and a word to keep the stack aligned */
  ldr r9, [x], #4
  lsl r8, r9, #8
  and r9, r9, #0xFF00FF00
  and r8, r8, #0xFF00FF00
  smlawt r10, factor, r8, offset
  smlawb r8, factor, r8, offset
  smlawt r11, factor, r9, offset
  smlawb r9, factor, r9, offset

  .p2align 3
1:
  normalize r8, r9, r10, r11
  beq 2f
  store_and_load r8, r9, r10, r11
  normalize r10, r11, r8, r9
  beq 3f
  store_and_load r10, r11, r8, r9
  b 1b

2:
  mov r10, r8
  mov r11, r9
3:
  ssat16 r10, #8, r10
  ssat16 r11, #8, r11
  and r10, r10, #0x00FF00FF
  and r11, r11, #0x00FF00FF
  orr r10, r10, r11, lsl #8
  str r10, [y]
  add sp, #8
  pop {r4-r11, pc}
  .size TF(layer_norm_words), . - TF(layer_norm_words)

#endif
