/* tf_read_pairs for ARMv7E-M. The C twin, tf_read_pairs.c, says what it computes. */
#include "tf_name.h"
#if TF_ARM_DSP

#define READER_DIGITS 0
#define READER_WEIGHTS 8
#define READER_PAIR 16
#define READER_PAIRS 24
#define READER_OTHER_ROWS 28
#define READER_PLACES 32
#define PLACES_TAP 8

reader     .req r0
count      .req r1
out        .req r2
digits     .req r3
shift      .req r4
weights    .req r5
pair       .req r6
left       .req r7
/* With places, */
even       .req r8
taps       .req r9
step       .req r10
reciprocal .req lr
/* and without. */
place      .req r6
pairs      .req r8
other_rows .req r9
span       .req r10  /* bytes of a block's inputs in the tile */

  .syntax unified
  .thumb
  .text

  /* The next digit of a number times `width`, added to `sum`; `eq` if another one follows. r11 holds its byte. */
  .macro add_digit sum, width
    add digits, digits, shift, lsr #2
    lsr r11, r11, shift
    eor shift, shift, #4
    and r11, r11, #15
    mla \sum, \width, r11, \sum
    cmp r11, #15
  .endm

  .global TF(read_pairs)
  .type TF(read_pairs), %function
  .thumb_func
  .p2align 3
TF(read_pairs):
  push {r4-r11, lr}
  ldr taps, [reader, #READER_PLACES]
  ldrd digits, shift, [reader, #READER_DIGITS]
  ldrd weights, lr, [reader, #READER_WEIGHTS]
  ldrd pair, left, [reader, #READER_PAIR]
  cmp taps, #0
  add weights, weights, lr
  beq 5f
  cmp count, #0
  ldrd reciprocal, step, [taps], #PLACES_TAP
  beq 8f

  .p2align 3
1:
  cbnz left, 3f
  ldrb r11, [digits]
  ldr r12, [reader, #READER_OTHER_ROWS]
  ldr left, [reader, #READER_PAIRS]
  add weights, weights, r12
2:
  add_digit pair, left
  beq 4f
3:
  umull even, r11, pair, reciprocal
  ldr r12, [weights], #4
  subs left, #1
  subs count, #1
  sxtb16 even, r12
  ldr r11, [taps, r11, lsl #2]
  sxtb16 r12, r12, ror #8
  str even, [out, #4]
  mla r11, pair, step, r11
  str r12, [out, #8]
  add pair, pair, #1
  str r11, [out], #12
  bne 1b
  b 8f
4:
  ldrb r11, [digits]
  b 2b

5:
  ldrd pairs, other_rows, [reader, #READER_PAIRS]
  cmp count, #0
  lsl span, pairs, #4
  beq 8f
  .p2align 3
6:
  cbnz left, 7f
  ldrb r11, [digits]
  add weights, weights, other_rows
  mov left, pairs
10:
  add_digit place, span
  beq 11f
7:
  ldr r12, [weights], #4
  subs left, #1
  str place, [out], #12
  subs count, #1
  sxtb16 r11, r12
  add place, place, #16
  sxtb16 r12, r12, ror #8
  str r11, [out, #-8]
  str r12, [out, #-4]
  bne 6b

8:
  ldr r12, [reader, #READER_WEIGHTS]
  strd digits, shift, [reader, #READER_DIGITS]
  strd pair, left, [reader, #READER_PAIR]
  sub weights, weights, r12
  str weights, [reader, #READER_WEIGHTS + 4]
  pop {r4-r11, pc}
11:
  ldrb r11, [digits]
  b 10b
  .size TF(read_pairs), . - TF(read_pairs)

#endif
