/* SPDX-License-Identifier: Apache-2.0 */
/* tf_widen_words for ARMv7E-M. The reference, tf_widen_words_reference.c, says what it computes. */
#include "tf_name.h"
#if TF_ARM_DSP

words .req r0
count .req r1
out   .req r2
word0 .req r3
word1 .req r4
word2 .req r5
word3 .req r6
even  .req r7

  .syntax unified
  .thumb
  .text
  .global TF(widen_words)
  .type TF(widen_words), %function
  .thumb_func
  .p2align 3
TF(widen_words):
  push {r4-r7, lr}
  subs count, #4
  blo 2f
  .p2align 3
1:
  ldr word0, [words], #16
  ldr word1, [words, #-12]
  ldr word2, [words, #-8]
  ldr word3, [words, #-4]
  sxtb16 even, word0
  sxtb16 word0, word0, ror #8
  str even, [out], #32
  sxtb16 even, word1
  str word0, [out, #-28]
  sxtb16 word1, word1, ror #8
  str even, [out, #-24]
  sxtb16 even, word2
  str word1, [out, #-20]
  sxtb16 word2, word2, ror #8
  str even, [out, #-16]
  sxtb16 even, word3
  str word2, [out, #-12]
  sxtb16 word3, word3, ror #8
  str even, [out, #-8]
  subs count, #4
  str word3, [out, #-4]
  bhs 1b
2:
  adds count, #4
  beq 3f
  ldrd word0, word1, [words]
  sxtb16 even, word0
  sxtb16 word0, word0, ror #8
  str even, [out], #16
  sxtb16 even, word1
  str word0, [out, #-12]
  sxtb16 word1, word1, ror #8
  str even, [out, #-8]
  str word1, [out, #-4]
3:
  mov r0, out
  pop {r4-r7, pc}
  .size TF(widen_words), . - TF(widen_words)

#endif
