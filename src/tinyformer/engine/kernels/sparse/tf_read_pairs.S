/* SPDX-License-Identifier: Apache-2.0 */
/* tf_read_pairs for ARMv7E-M. The reference, tf_read_pairs_reference.c, says what it computes. */
#include "tf_name.h"
#if TF_ARM_DSP

#include "tf_sparse_offsets.h"


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
  ldr taps, [reader, #tf_pair_reader_at_places]
  ldrd digits, shift, [reader, #tf_pair_reader_at_index]
  ldrd weights, lr, [reader, #tf_pair_reader_at_weights]
  ldrd pair, left, [reader, #tf_pair_reader_at_pair]
  cmp taps, #0
  add weights, weights, lr
  beq 5f
  cmp count, #0
  ldrd reciprocal, step, [taps], #tf_pair_places_at_tap
  beq 8f

  .p2align 3
1:
  cbnz left, 3f
  ldrb r11, [digits]
  ldr r12, [reader, #tf_pair_reader_at_other_rows]
  ldr left, [reader, #tf_pair_reader_at_pairs]
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
  ldrd pairs, other_rows, [reader, #tf_pair_reader_at_pairs]
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
  ldr r12, [reader, #tf_pair_reader_at_weights]
  strd digits, shift, [reader, #tf_pair_reader_at_index]
  strd pair, left, [reader, #tf_pair_reader_at_pair]
  sub weights, weights, r12
  str weights, [reader, #tf_pair_reader_at_at]
  pop {r4-r11, pc}
11:
  ldrb r11, [digits]
  b 10b
  .size TF(read_pairs), . - TF(read_pairs)

#endif
