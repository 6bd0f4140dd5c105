/* SPDX-License-Identifier: Apache-2.0 */
/* tf_lut_words for ARMv7E-M: see tf_words.h. Four results are packed while the next four are looked up. */
#include "tf_name.h"
#if TF_ARM_DSP

table  .req r0
x      .req r1
y      .req r2
y_last .req r3                  /* the last but four results */

  .syntax unified
  .thumb
  .text

  /* Looks up the next four elements into d0 .. d3, packs and stores s0 .. s3. */
  .macro lookup_and_store d0, d1, d2, d3, s0, s1, s2, s3
    ldrsb \d0, [x], #4
    orr \s0, \s0, \s1, lsl #8
    ldrsb \d1, [x, #-3]
    cmp y, y_last
    ldrsb \d2, [x, #-2]
    orr \s2, \s2, \s3, lsl #8
    ldrsb \d3, [x, #-1]
    ldrb \d0, [table, \d0]
    orr \s0, \s0, \s2, lsl #16
    ldrb \d1, [table, \d1]
    ldrb \d2, [table, \d2]
    str \s0, [y], #4
    ldrb \d3, [table, \d3]
  .endm

  .global TF(lut_words)
  .type TF(lut_words), %function
  .thumb_func
  .p2align 3
TF(lut_words):
  push {r4-r11, lr}
  subs y_last, #8
  add table, table, #128        /* of the element 0 */
  ldrsb r4, [x], #4
  ldrsb r5, [x, #-3]
  ldrsb r6, [x, #-2]
  ldrsb r7, [x, #-1]
  ldrb r4, [table, r4]
  ldrb r5, [table, r5]
  ldrb r6, [table, r6]
  ldrb r7, [table, r7]

  .p2align 3
1:
  lookup_and_store r8, r9, r10, r11, r4, r5, r6, r7
  beq 2f
  lookup_and_store r4, r5, r6, r7, r8, r9, r10, r11
  b 1b

2:
  orr r8, r8, r9, lsl #8
  orr r10, r10, r11, lsl #8
  orr r8, r8, r10, lsl #16
  str r8, [y]
  pop {r4-r11, pc}
  .size TF(lut_words), . - TF(lut_words)

#endif
