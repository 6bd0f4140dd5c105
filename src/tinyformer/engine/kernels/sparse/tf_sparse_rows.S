/* SPDX-License-Identifier: Apache-2.0 */
/* tf_sparse_rows for ARMv7E-M: four pixels times two outputs in eight accumulators, a block of 2 outputs x 2 inputs in
 * 8 cycles of a Cortex-M7. The loop over a row's blocks is unrolled and entered so that it ends with the last block; the
 * stream holds the addresses to go to. The reference, tf_sparse_rows_reference.c, says what it computes. */
#include "tf_name.h"
#if TF_ARM_DSP

#include "tf_layout.h"
#include "tf_matrix_offsets.h"

/* r0 stream, r1 inputs of a block, r2 r3 input pairs, r4-r7 output 0 of the four pixels, r8-r11 output 1,
 * r12 lr weights of a block. Carry is clear but where more blocks follow than the unrolled loop holds. */
#define FRAME_ZERO_POINT 0
#define FRAME_Y 4
#define FRAME_STRIDE 8
#define FRAME_BYTES 12
#define BLOCK_BYTES 52
#define MANY_BYTES 6

  .syntax unified
  .thumb
  .text

#include "tf_requantize_asm.h"

  .global TF(sparse_rows)
  .type TF(sparse_rows), %function
  .thumb_func
  .p2align 3
TF(sparse_rows):
  push {r4-r11, lr}
  sub sp, #FRAME_BYTES
  ldrd r2, r3, [r1, #tf_rows_at_y] /* and stride */
  strd r2, r3, [sp, #FRAME_Y]
  ldr r2, [r1, #tf_rows_at_zero_point]
  str r2, [sp, #FRAME_ZERO_POINT]
  ldr r1, [r0], #4
  ldr r7, [r0], #4
  ldr r11, [r0], #4
  ldr r12, [r0], #4
  ldr lr, [r0], #4
  ldr r2, [r1]
  cmn r0, #0                    /* clears carry */

  .p2align 3
.Lrow_pair:
  smlad r4, r2, r12, r7         /* the first products start from the bias */
  ldr r3, [r1, #4]
  smlad r8, r2, lr, r11
  ldr r2, [r1, #8]
  smlad r5, r3, r12, r7
  smlad r9, r3, lr, r11
  ldr r3, [r1, #12]
  smlad r6, r2, r12, r7
  ldr r1, [r0, #4]
  smlad r7, r3, r12, r7
  ldr r12, [r0, #8]
  smlad r10, r2, lr, r11
  ldr r2, [r1]
  smlad r11, r3, lr, r11
  ldr lr, [r0, #12]
  ldr pc, [r0], #16

  .p2align 3
.Lpass:
  .rept TF_SPARSE_PASS          /* BLOCK_BYTES each */
    smlad r4, r2, r12, r4
    ldr r3, [r1, #4]
    smlad r8, r2, lr, r8
    ldr r2, [r1, #8]
    smlad r5, r3, r12, r5
    smlad r9, r3, lr, r9
    ldr r3, [r1, #12]
    smlad r6, r2, r12, r6
    ldr r1, [r0], #4
    smlad r7, r3, r12, r7
    ldr r12, [r0], #4
    smlad r10, r2, lr, r10
    ldr r2, [r1]
    smlad r11, r3, lr, r11
    ldr lr, [r0], #4
  .endr
.Lend_of_pass:
  bcs .Lnext_pass

  /* r12 and lr have run into the multipliers, r1 into the next row pair's first block. */
  ldr r2, [sp, #FRAME_ZERO_POINT]
  ldr r3, [r0], #4              /* 2 * offset + last */
  smmlar r4, r4, r12, r2
  requantize_row_pair
  ldr r2, [sp, #FRAME_Y]
  ssat r10, #8, r10
  ldr r12, [sp, #FRAME_STRIDE]
  ssat r7, #8, r7
  add r3, r3, r2
  ssat r11, #8, r11
  ldr r2, [r1]
  bfi r6, r10, #8, #24
  strh r4, [r3]
  bfi r7, r11, #8, #24
  strh r5, [r3, r12]
  add r3, r3, r12, lsl #1
  ldr.w r11, [r0, #4]
  strh r6, [r3]
  ldr.w lr, [r0, #12]
  strh r7, [r3, r12]
  ldr.w r12, [r0, #8]
  ldr.w r7, [r0], #16
  bcc .Lrow_pair

  add sp, #FRAME_BYTES
  pop {r4-r11, pc}

  /* Rows with more blocks than are unrolled: carry stays set until the last pass. */
.Lmany:
  .set to_go, 1
  .rept TF_SPARSE_PASS          /* MANY_BYTES each */
    cmp r0, r0
    b.w .Lend_of_pass - BLOCK_BYTES * to_go
    .set to_go, to_go + 1
  .endr
.Lnext_pass:
  ldr pc, [r0], #4
.Llast_pass:
  cmn r0, #0
  b.w .Lpass
  .size TF(sparse_rows), . - TF(sparse_rows)

  /* tf_sparse_entries of tf_sparse.h. */
  .section .rodata.TF(sparse_entries), "a", %progbits
  .global TF(sparse_entries)
  .type TF(sparse_entries), %object
  .p2align 2
TF(sparse_entries):
  .word .Lend_of_pass + 1, BLOCK_BYTES, .Lmany + 1, MANY_BYTES, .Lpass + 1, .Llast_pass + 1
  .size TF(sparse_entries), . - TF(sparse_entries)

#endif
