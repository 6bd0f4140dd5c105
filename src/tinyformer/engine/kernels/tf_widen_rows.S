/* tf_widen_rows for ARMv7E-M. The C twin, tf_widen_rows.c, says what it computes. */
#include "tf_name.h"
#if TF_ARM_DSP

#define COLUMNS 4
#define ROWS_TILE 16
#define ROWS_REST 20
#define ROWS_REST_BYTES 24
#define ROWS_LEFT 28
#define ROWS_QUADS 32
#define ROWS_COUNT 36
#define ROWS_STEP 40

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
  ldrd tile, rest, [windows, #ROWS_TILE]
  ldr count, [windows, #ROWS_COUNT]
  .p2align 3
1:
  ldrd left, quads, [windows, #ROWS_LEFT]
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
  ldr word1, [windows, #ROWS_REST_BYTES]
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
  ldrd word0, word1, [windows, #ROWS_STEP]
  ldrd word2, even, [windows, #ROWS_STEP + 8]
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
