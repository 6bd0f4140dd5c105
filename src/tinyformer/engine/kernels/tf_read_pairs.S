/* tf_read_pairs for ARMv7E-M. The C twin, tf_read_pairs.c, says what it computes. */
#include "tf_name.h"
#if TF_ARM_DSP

#define READER_DIGITS 0
#define READER_WEIGHTS 8
#define READER_PAIR 16
#define READER_PAIRS 24
#define READER_OTHER_ROWS 28
#define READER_PLACES 32

reader     .req r0
count      .req r1
out        .req r2
digits     .req r3
shift      .req r4
weights    .req r5
pair       .req r6
left       .req r7
pairs      .req r8
taps       .req r9
step       .req r10
reciprocal .req lr

  .syntax unified
  .thumb
  .text
  .global TF(read_pairs)
  .type TF(read_pairs), %function
  .thumb_func
  .p2align 3
TF(read_pairs):
  push {r4-r11, lr}
  ldrd digits, shift, [reader, #READER_DIGITS]
  ldrd weights, lr, [reader, #READER_WEIGHTS]
  ldrd pair, left, [reader, #READER_PAIR]
  ldr pairs, [reader, #READER_PAIRS]
  ldr taps, [reader, #READER_PLACES]
  add weights, weights, lr
  ldr reciprocal, [taps], #4
  cmp count, #0
  ldr step, [taps], #4
  beq 5f
  .p2align 3
1:
  cbnz left, 3f
  ldrb r11, [digits]
  ldr r12, [reader, #READER_OTHER_ROWS]
  mov left, pairs
  add weights, weights, r12
2:
  add digits, digits, shift, lsr #2
  lsr r11, r11, shift
  eor shift, shift, #4
  and r11, r11, #15
  mla pair, pairs, r11, pair
  cmp r11, #15
  beq 4f
3:
  umull r12, r11, pair, reciprocal
  ldr r12, [weights], #4
  subs left, #1
  ldr r11, [taps, r11, lsl #2]
  subs count, #1
  mla r11, pair, step, r11
  add pair, pair, #1
  str r11, [out], #12
  sxtb16 r11, r12
  sxtb16 r12, r12, ror #8
  str r11, [out, #-8]
  str r12, [out, #-4]
  bne 1b
5:
  ldr r12, [reader, #READER_WEIGHTS]
  strd digits, shift, [reader, #READER_DIGITS]
  strd pair, left, [reader, #READER_PAIR]
  sub weights, weights, r12
  str weights, [reader, #READER_WEIGHTS + 4]
  pop {r4-r11, pc}
4:
  ldrb r11, [digits]
  b 2b
  .size TF(read_pairs), . - TF(read_pairs)

#endif
