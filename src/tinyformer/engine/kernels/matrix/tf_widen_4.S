/* SPDX-License-Identifier: Apache-2.0 */
/* tf_widen_4 for ARMv7E-M. The reference, tf_widen_4_reference.c, says what it computes. */
#include "tf_name.h"
#if TF_ARM_DSP

quads  .req r1
tile   .req r2
/* Addresses of the four cells' inputs, */
from0  .req r3
from1  .req r4
from2  .req r5
from3  .req r6
/* and four of these as a word, then as the odd pair. */
pixel0 .req r7
pixel1 .req r8
pixel2 .req r9
pixel3 .req r10
even0  .req r11
even1  .req r12
even2  .req lr
even3  .req r0

  .syntax unified
  .thumb
  .text
  .global TF(widen_4)
  .type TF(widen_4), %function
  .thumb_func
  .p2align 3
TF(widen_4):
  push {r4-r11, lr}
  ldm r0, {from0, from1, from2, from3}
  .p2align 3
1:
  ldr pixel0, [from0], #4
  ldr pixel1, [from1], #4
  sxtb16 even0, pixel0
  ldr pixel2, [from2], #4
  sxtb16 even1, pixel1
  str even0, [tile], #32
  sxtb16 even2, pixel2
  ldr pixel3, [from3], #4
  sxtb16 pixel0, pixel0, ror #8
  str even1, [tile, #-28]
  sxtb16 even3, pixel3
  str even2, [tile, #-24]
  sxtb16 pixel1, pixel1, ror #8
  str even3, [tile, #-20]
  sxtb16 pixel2, pixel2, ror #8
  str pixel0, [tile, #-16]
  sxtb16 pixel3, pixel3, ror #8
  str pixel1, [tile, #-12]
  subs quads, #1
  str pixel2, [tile, #-8]
  str pixel3, [tile, #-4]
  bne 1b
  mov r0, tile
  pop {r4-r11, pc}
  .size TF(widen_4), . - TF(widen_4)

#endif
