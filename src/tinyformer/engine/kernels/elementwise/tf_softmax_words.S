/* SPDX-License-Identifier: Apache-2.0 */
/* The loops of softmax over words of four elements for ARMv7E-M: see tf_words.h. */
#include "tf_name.h"
#if TF_ARM_DSP

#include "tf_words_offsets.h"

  .syntax unified
  .thumb
  .text

table  .req r0
x      .req r1
mosts  .req r2
e      .req r3
sum    .req r12
x_end  .req r11

  .global TF(softmax_exponents)
  .type TF(softmax_exponents), %function
  .thumb_func
  .p2align 3
TF(softmax_exponents):
  push {r0, r4-r11, lr}
  ldrd r4, r5, [r0, #tf_softmax_row_at_leading]
  ldrd table, e, [r0, #tf_softmax_row_at_table]
  uxtb mosts, r5
  mov r9, x
  orr mosts, mosts, mosts, lsl #8
  add x_end, x, r4
  orr mosts, mosts, mosts, lsl #16
  mov r8, mosts

  .p2align 3
1:
  ldr r5, [r9], #4
  ldr r6, [r9], #4
  ssub8 r7, mosts, r5
  cmp r9, x_end
  sel mosts, mosts, r5
  ssub8 r7, r8, r6
  sel r8, r8, r6
  bne 1b
  ssub8 r7, mosts, r8
  sel mosts, mosts, r8
  ror r5, mosts, #16
  ssub8 r7, mosts, r5
  sel mosts, mosts, r5
  ror r5, mosts, #8
  ssub8 r7, mosts, r5
  sel mosts, mosts, r5          /* the largest in all four bytes */
  ldr r5, [sp]
  sxtb r7, mosts
  str r7, [r5, #tf_softmax_row_at_most]
  sub table, table, r7, lsl #2
  add table, table, #4 * 255    /* of the element 0 */
  movs sum, #0
  movs r10, #0
  mov lr, #0

  .p2align 3
2:
  ldrsb r4, [x], #8
  add sum, sum, r10
  ldrsb r5, [x, #-7]
  add sum, sum, lr
  ldrsb r6, [x, #-6]
  cmp x, x_end
  ldr r4, [table, r4, lsl #2]
  ldrsb r7, [x, #-5]
  str r4, [e], #4
  ldr r5, [table, r5, lsl #2]
  add sum, sum, r4
  ldrsb r8, [x, #-4]
  str r5, [e], #4
  ldr r6, [table, r6, lsl #2]
  add sum, sum, r5
  ldrsb r9, [x, #-3]
  str r6, [e], #4
  ldr r7, [table, r7, lsl #2]
  add sum, sum, r6
  ldrsb r10, [x, #-2]
  str r7, [e], #4
  ldr r8, [table, r8, lsl #2]
  add sum, sum, r7
  ldrsb lr, [x, #-1]
  str r8, [e], #4
  ldr r9, [table, r9, lsl #2]
  add sum, sum, r8
  ldr r10, [table, r10, lsl #2]
  str r9, [e], #4
  ldr lr, [table, lr, lsl #2]
  add sum, sum, r9
  str r10, [e], #4
  str lr, [e], #4
  bne 2b

  add sum, sum, r10
  add r0, sum, lr
  add sp, #4
  pop {r4-r11, pc}
  .size TF(softmax_exponents), . - TF(softmax_exponents)

  .unreq table
  .unreq x
  .unreq mosts
  .unreq e

e          .req r0
reciprocal .req r1
zero       .req r2
y          .req r3
y_end      .req r12

  .global TF(softmax_words)
  .type TF(softmax_words), %function
  .thumb_func
  .p2align 3
TF(softmax_words):
  push {r4-r11, lr}
  mov y, r2
  ldrd r4, y_end, [r0, #tf_softmax_row_at_e]
  ldr zero, [r0, #tf_softmax_row_at_zero]
  add y_end, y_end, y
  mov e, r4
  ldm e!, {r4-r7}

  .p2align 3
1:
  smmlar r4, r4, reciprocal, zero
  ldr r8, [e], #32
  smmlar r6, r6, reciprocal, zero
  ldr r10, [e, #-24]
  smmlar r5, r5, reciprocal, zero
  ldr r9, [e, #-28]
  smmlar r7, r7, reciprocal, zero
  ldr r11, [e, #-20]
  pkhbt r4, r4, r6, lsl #16
  smmlar r8, r8, reciprocal, zero
  smmlar r10, r10, reciprocal, zero
  ldr r6, [e, #-8]              /* the next four */
  pkhbt r5, r5, r7, lsl #16
  smmlar r9, r9, reciprocal, zero
  usat16 r4, #8, r4
  smmlar r11, r11, reciprocal, zero
  pkhbt r8, r8, r10, lsl #16
  ldr r7, [e, #-4]
  usat16 r5, #8, r5
  pkhbt r9, r9, r11, lsl #16
  usat16 r8, #8, r8
  usat16 r9, #8, r9
  orr lr, r4, r5, lsl #8
  ldr r5, [e, #-12]
  eor lr, lr, #0x80808080
  ldr r4, [e, #-16]
  orr r8, r8, r9, lsl #8
  str lr, [y], #8
  eor r8, r8, #0x80808080
  cmp y, y_end
  str r8, [y, #-4]
  bne 1b

  pop {r4-r11, pc}
  .size TF(softmax_words), . - TF(softmax_words)

#endif
