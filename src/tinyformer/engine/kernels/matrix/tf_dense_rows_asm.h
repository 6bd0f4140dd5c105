/* SPDX-License-Identifier: Apache-2.0 */
/* Body of tf_dense_rows.S and its siblings, for ARMv7E-M: four pixels times two outputs in eight accumulators, 8 SMLAD and
 * 6 loads in 8 cycles of a Cortex-M7. The references, tf_dense_rows_reference.c and its siblings, say what it computes.
 *
 * The file that includes it defines DENSE_ROWS (the function), KERNEL_WIDTH (1, 3 or 5: input pairs of a step) and UNROLLED
 * (steps of the loop, a power of two). */
#include "tf_name.h"
#if TF_ARM_DSP

#include "tf_matrix_offsets.h"

/* r0 stream, r1 a step's inputs, r2 r3 input pairs, r4-r7 output 0 of the four pixels, r8-r11 output 1, r12 lr weights. */
#define FRAME_ENTRY 0
#define FRAME_LAST_STEP 4            /* its inputs */
#define FRAME_ZERO_POINT 8
#define FRAME_Y 12
#define FRAME_STRIDE 16
#define FRAME_TILE 20
#define FRAME_BYTES 24
#define STEP_BYTES (4 * (KERNEL_WIDTH + 3))
#define STEP_CODE_BYTES (56 * KERNEL_WIDTH)

  .syntax unified
  .thumb
  .text

#include "tf_requantize_asm.h"

  /* Products of the input pairs at one column of the kernel, added to what six of the accumulators are to start from. */
  .macro products column, from4, from5, from6, from8, from9, from10
    smlad r4, r2, r12, \from4
    ldr.w r3, [r1, #4 * \column + 4]
    smlad r8, r2, lr, \from8
    ldr.w r2, [r1, #4 * \column + 8]
    smlad r5, r3, r12, \from5
    smlad r9, r3, lr, \from9
    ldr.w r3, [r1, #4 * \column + 12]
    smlad r6, r2, r12, \from6
    smlad r10, r2, lr, \from10
    .if \column + 1 < KERNEL_WIDTH
      ldr.w r2, [r1, #4 * \column + 4]
    .else
      ldr.w r2, [r1, #STEP_BYTES]!
    .endif
    smlad r7, r3, r12, r7
    ldr.w r12, [r0], #4
    smlad r11, r3, lr, r11
    ldr.w lr, [r0], #4
  .endm

  /* The columns [first, end) of a step. */
  .macro columns first, end
    .set column, \first
    .rept \end - \first
      products column, r4, r5, r6, r8, r9, r10
      .set column, column + 1
    .endr
  .endm

  .global DENSE_ROWS
  .type DENSE_ROWS, %function
  .thumb_func
  .p2align 3
DENSE_ROWS:
  push {r4-r11, lr}
  sub sp, #FRAME_BYTES
  ldrd r2, r3, [r1, #tf_rows_at_tile] /* and tile_end */
  str r2, [sp, #FRAME_TILE]
  subs r3, #STEP_BYTES
  str r3, [sp, #FRAME_LAST_STEP]
  ldrd r4, r5, [r1, #tf_rows_at_y] /* and stride */
  str r4, [sp, #FRAME_Y]
  str r5, [sp, #FRAME_STRIDE]
  ldrd r4, r5, [r1, #tf_rows_at_zero_point] /* and steps */
  str r4, [sp, #FRAME_ZERO_POINT]
  /* Step 0 has its own code; the others run through the loop, whose first pass is entered so that the last is whole. */
  subs r5, #2
  and r5, r5, #UNROLLED - 1
  mov r3, #STEP_CODE_BYTES
  mul r5, r5, r3
  adr.w r3, .Llast_step
  subs r3, r3, r5
  orr r3, r3, #1
  str r3, [sp, #FRAME_ENTRY]
  mov r1, r2
  ldr r7, [r0], #4
  ldr r11, [r0], #4
  ldr r12, [r0], #4
  ldr lr, [r0], #4
  ldr r2, [r1]

  .p2align 3
.Lrow_pair:
  products 0, r7, r7, r7, r11, r11, r11 /* the first products start from the biases */
  columns 1, KERNEL_WIDTH
  ldr pc, [sp, #FRAME_ENTRY]

  .p2align 3
.Lpass:
  .rept UNROLLED - 1
    columns 0, KERNEL_WIDTH
  .endr
.Llast_step:
  columns 0, KERNEL_WIDTH - 1
  smlad r4, r2, r12, r4
  ldr.w r3, [r1, #STEP_BYTES - 12]
  smlad r8, r2, lr, r8
  ldr.w r2, [r1, #STEP_BYTES - 8]
  smlad r5, r3, r12, r5
  smlad r9, r3, lr, r9
  ldr.w r3, [r1, #STEP_BYTES - 4]
  smlad r6, r2, r12, r6
  smlad r10, r2, lr, r10
  ldr r2, [sp, #FRAME_LAST_STEP]
  smlad r7, r3, r12, r7
  ldr.w r12, [r0], #4
  smlad r11, r3, lr, r11
  cmp r1, r2
  ldr.w r2, [r1, #STEP_BYTES]!
  ldr.w lr, [r0], #4
  bne .Lpass

  /* r12 and lr have run into the multipliers: requantize, saturate, store, and load the next row pair's start. */
  ldr r2, [sp, #FRAME_ZERO_POINT]
  ldr r3, [r0], #4              /* 2 * offset + last */
  smmlar r4, r4, r12, r2
  ldr r1, [sp, #FRAME_Y]
  requantize_row_pair
  add r3, r3, r1
  ssat r10, #8, r10
  ldr r1, [sp, #FRAME_STRIDE]
  ssat r7, #8, r7
  strh r4, [r3]
  ssat r11, #8, r11
  strh r5, [r3, r1]
  bfi r6, r10, #8, #24
  add r3, r3, r1, lsl #1
  bfi r12, r7, #0, #8
  ldr.w r7, [r0], #4
  bfi r12, r11, #8, #8
  ldr.w r11, [r0], #4
  strh r6, [r3]
  ldr r2, [sp, #FRAME_TILE]
  strh r12, [r3, r1]
  ldr.w r12, [r0], #4
  mov r1, r2
  ldr.w lr, [r0], #4
  ldr r2, [r2]
  bcc .Lrow_pair

  add sp, #FRAME_BYTES
  pop {r4-r11, pc}
  .size DENSE_ROWS, . - DENSE_ROWS

#endif
