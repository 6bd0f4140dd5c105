/* SPDX-License-Identifier: Apache-2.0 */
/* tf_widen_pairs for ARMv7E-M. The reference, tf_widen_pairs_reference.c, says what it computes. */
#include "tf_name.h"
#if TF_ARM_DSP

#include "tf_depthwise_offsets.h"

#define FRAME_QUADS 0
#define FRAME_LINE 4
#define FRAME_ABOVE_SKIP 8
#define FRAME_BELOW_SKIP 12
#define FRAME_CELLS 16
#define FRAME_BYTES 20

above    .req r0
below    .req r1
out      .req r2
plane    .req r3   /* bytes from one channel's plane to the next, */
plane_x2 .req r10
plane_x3 .req r11
plane_x4 .req lr
left     .req r12

  .syntax unified
  .thumb
  .text
  /* Two quads of either row; the words of the first in r4 and r5, of the second in r8 and r9. */
  .macro load_quads
    ldr r4, [above], #8
    ldr r8, [above, #-4]
    ldr r5, [below], #8
    ldr r9, [below, #-4]
  .endm

  /* Stores them as pairs. With `next`, loads the two after them on the way: 14 cycles, of which 12 are for the PKHBT and SXTB16
   * that a Cortex-M7 issues one at a time, with a load or a store beside each. */
  .macro store_quads next
    pkhbt r6, r4, r5, lsl #16   /* channels 0 and 1 of both rows */
    pkhtb r7, r5, r4, asr #16   /* channels 2 and 3 */
    .if \next
      ldr r4, [above], #8
    .endif
    sxtb16 r5, r6
    sxtb16 r6, r6, ror #8
    str r5, [out]
    sxtb16 r5, r7
    str r6, [out, plane]
    sxtb16 r7, r7, ror #8
    str r5, [out, plane_x2]
    pkhbt r6, r8, r9, lsl #16
    str r7, [out, plane_x3]
    pkhtb r7, r9, r8, asr #16
    add out, out, plane_x4
    sxtb16 r8, r6
    .if \next
      ldr r5, [below], #8
    .endif
    sxtb16 r6, r6, ror #8
    str r8, [out]
    sxtb16 r9, r7
    str r6, [out, plane]
    sxtb16 r7, r7, ror #8
    str r9, [out, plane_x2]
    .if \next
      ldr r8, [above, #-4]
    .endif
    str r7, [out, plane_x3]
    .if \next
      ldr r9, [below, #-4]
    .endif
    add out, out, plane_x4
  .endm

  .global TF(widen_pairs)
  .type TF(widen_pairs), %function
  .thumb_func
  .p2align 3
TF(widen_pairs):
  push {r4-r11, lr}
  sub sp, #FRAME_BYTES
  mov r12, r0
  ldrd above, below, [r12, #tf_pair_line_at_above]
  ldrd r4, r5, [r12, #tf_pair_line_at_above_skip] /* and below_skip */
  ldrd out, plane, [r12, #tf_pair_line_at_out]
  ldrd r6, r7, [r12, #tf_pair_line_at_quads] /* and cells */
  strd r4, r5, [sp, #FRAME_ABOVE_SKIP]
  str r6, [sp, #FRAME_QUADS]
  str r7, [sp, #FRAME_CELLS]
  str out, [sp, #FRAME_LINE]
  lsl plane_x2, plane, #1
  add plane_x3, plane, plane_x2
  lsl plane_x4, plane, #2
1:
  ldr left, [sp, #FRAME_QUADS]
  subs left, #8
  blo 3f
  .p2align 3
2:
  load_quads
  store_quads 1
  store_quads 1
  store_quads 1
  store_quads 0
  subs left, #8
  bhs 2b
3:
  adds left, #6                 /* -6 .. -1: two quads or more are left at 0 .. 5 */
  bmi 6f
5:
  load_quads
  store_quads 0
  subs left, #2
  bpl 5b
6:
  adds left, #1                 /* one quad is left at 0, none at -1 */
  bne 4f
  ldr r4, [above], #4
  ldr r5, [below], #4
  pkhbt r6, r4, r5, lsl #16
  pkhtb r7, r5, r4, asr #16
  sxtb16 r4, r6
  sxtb16 r6, r6, ror #8
  str r4, [out]
  sxtb16 r4, r7
  str r6, [out, plane]
  sxtb16 r7, r7, ror #8
  str r4, [out, plane_x2]
  str r7, [out, plane_x3]
4:
  ldr out, [sp, #FRAME_LINE]
  ldr r4, [sp, #FRAME_ABOVE_SKIP]
  ldr r5, [sp, #FRAME_BELOW_SKIP]
  ldr r6, [sp, #FRAME_CELLS]
  add above, above, r4
  adds out, #4
  add below, below, r5
  str out, [sp, #FRAME_LINE]
  subs r6, #1
  str r6, [sp, #FRAME_CELLS]
  bne 1b
  add sp, #FRAME_BYTES
  pop {r4-r11, pc}
  .size TF(widen_pairs), . - TF(widen_pairs)

#endif
