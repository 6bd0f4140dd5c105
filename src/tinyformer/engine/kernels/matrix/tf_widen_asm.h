/* SPDX-License-Identifier: Apache-2.0 */
/* Body of tf_widen_6.S and tf_widen_8.S, for ARMv7E-M. The references, tf_widen_6_reference.c and tf_widen_8_reference.c, say what it computes.
 *
 * The file that includes it defines WIDEN (the function) and COLUMNS (6 or 8). */
#include "tf_name.h"
#if TF_ARM_DSP

quads  .req r1
tile   .req r2
/* Where the cells' next inputs lie: r3 on, as many as there are columns. */
from0  .req r3
from1  .req r4
from2  .req r5
from3  .req r6
from4  .req r7
from5  .req r8
from6  .req r9
from7  .req r10
/* Four inputs of a cell, then their odd pair, by turns; an even pair. */
word0  .req r11
word1  .req r12
word2  .req lr
even   .req r0

  .syntax unified
  .thumb
  .text

#include "tf_widen_columns_asm.h"

  .global WIDEN
  .type WIDEN, %function
  .thumb_func
  .p2align 3
WIDEN:
  push {r4-r11, lr}
#if COLUMNS == 6
  ldm r0, {from0, from1, from2, from3, from4, from5}
#else
  ldm r0, {from0, from1, from2, from3, from4, from5, from6, from7}
#endif
  .p2align 3
1:
  ldr word0, [from0], #4
  ldr word1, [from1], #4
  two_columns 0, word0, word1, word2, from2, from3
  two_columns 2, word2, word0, word1, from4, from5
  two_columns 4, word1, word2, word0, from6, from7
#if COLUMNS > 6
  two_columns 6, word0, word1, word2, none, none
#endif
  subs quads, #1
  add tile, tile, #8 * COLUMNS
  bne 1b
  mov r0, tile
  pop {r4-r11, pc}
  .size WIDEN, . - WIDEN

#endif
