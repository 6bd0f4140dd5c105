/* SPDX-License-Identifier: Apache-2.0 */
/* tf_widen_rows for ARMv7E-M. The reference, tf_widen_rows_reference.c, says what it computes. */
#include "tf_name.h"
#if TF_ARM_DSP

#include "tf_matrix_offsets.h"

#define COLUMNS 4

windows .req r0
count   .req r1
tile    .req r2
from0   .req r3
from1   .req r4
from2   .req r5
from3   .req r6
word0   .req r7
word1   .req r8
word2   .req r9
even    .req r10
quads   .req r11
left    .req r12
rest    .req lr

  .syntax unified
  .thumb
  .text

#include "tf_widen_columns_asm.h"

  .global TF(widen_rows)
  .type TF(widen_rows), %function
  .thumb_func
  .p2align 3
TF(widen_rows):
  push {r4-r11, lr}
  ldm windows, {from0, from1, from2, from3}
  ldrd tile, rest, [windows, #tf_window_rows_at_tile]
  ldr count, [windows, #tf_window_rows_at_count]
  .p2align 3
1:
  ldrd left, quads, [windows, #tf_window_rows_at_left]
  cmp quads, #0
  beq 3f
  .p2align 3
2:
  ldr word0, [from0], #4
  ldr word1, [from1], #4
  two_columns 0, word0, word1, word2, from2, from3
  two_columns 2, word2, word0, word1, none, none
  subs quads, #1
  add tile, tile, #8 * COLUMNS
  bne 2b
3:
  ldr word1, [windows, #tf_window_rows_at_rest_bytes]
  cmp left, #0
  beq 4f
  add word2, word1, word1, lsl #1
5:
  ldrb word0, [from0], #1
  ldrb even, [from1], #1
  strb word0, [rest]
  ldrb word0, [from2], #1
  strb even, [rest, word1]
  ldrb even, [from3], #1
  strb word0, [rest, word1, lsl #1]
  subs left, #1
  strb even, [rest, word2]
  add rest, rest, #1
  bne 5b
4:
  ldrd word0, word1, [windows, #tf_window_rows_at_step]
  ldrd word2, even, [windows, #tf_window_rows_at_step + 8]
  subs count, #1
  add from0, from0, word0
  add from1, from1, word1
  add from2, from2, word2
  add from3, from3, even
  bne 1b
  mov r0, tile
  pop {r4-r11, pc}
  .size TF(widen_rows), . - TF(widen_rows)

#endif
