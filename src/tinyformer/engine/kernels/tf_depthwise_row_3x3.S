/* tf_depthwise_row_3x3 for ARMv7E-M: tiles of four outputs in four accumulators, six products and one requantization an
 * output. The C twin, tf_depthwise_3x3.c, says what it computes. */
#include "tf_name.h"
#if TF_ARM_DSP

#define FRAME_MULTIPLIER 0
#define FRAME_ZERO_POINT 4
#define FRAME_BIAS 8
#define FRAME_STRIDE 12
#define FRAME_END 16
#define FRAME_PLANE 20
#define FRAME_FILTER 24
#define FRAME_Y 28
#define FRAME_ARGUMENTS 32
#define FRAME_COUNT 36
#define FRAME_BYTES 44
/* Members of tf_depthwise_row. */
#define ROW_PLANE 0
#define ROW_FILTER 4
#define ROW_Y 8
#define ROW_STRIDE 12
#define ROW_ZERO_POINT 16
#define ROW_COUNT 20
#define ROW_PLANE_BYTES 24
#define ROW_PAIR_BYTES 28
#define ROW_TILES 32
#define FILTER_BYTES 32

upper .req r0       /* words of filter rows 0 and 1 */
lower .req r1       /* words of filter row 2, in their low halves */
out   .req r2
p     .req r3
q     .req r12
acc0  .req r4
acc1  .req r5
acc2  .req r6
acc3  .req r7       /* the bias until output 3 begins */
w0    .req r8       /* filter rows 0 and 1, columns 0 to 2 */
w1    .req r9
w2    .req r10
third01 .req r11      /* filter row 2, columns 0 and 1, and 2 */
third2  .req lr

  .syntax unified
  .thumb
  .text

  .macro tile_stride_1
    smlad acc0, p, w0, acc3
    ldr q, [lower]
    smlabb acc0, q, third01, acc0
    ldr p, [upper, #4]
    smlad acc0, p, w1, acc0
    ldr q, [lower, #4]
    smlad acc1, p, w0, acc3
    smlabt acc0, q, third01, acc0
    ldr p, [upper, #8]
    smlabb acc1, q, third01, acc1
    smlad acc0, p, w2, acc0
    ldr q, [lower, #8]
    smlad acc1, p, w1, acc1
    smlad acc2, p, w0, acc3
    ldr p, [upper, #12]
    smlabb acc0, q, third2, acc0
    smlabt acc1, q, third01, acc1
    smlabb acc2, q, third01, acc2
    ldr q, [lower, #12]
    smlad acc1, p, w2, acc1
    smlad acc2, p, w1, acc2
    smlad acc3, p, w0, acc3
    ldr p, [upper, #16]
    smlabb acc1, q, third2, acc1
    smlabt acc2, q, third01, acc2
    smlabb acc3, q, third01, acc3
    ldr q, [lower, #16]
    smlad acc2, p, w2, acc2
    smlad acc3, p, w1, acc3
    ldr p, [upper, #20]
    smlabb acc2, q, third2, acc2
    smlabt acc3, q, third01, acc3
    ldr q, [lower, #20]
    smlad acc3, p, w2, acc3
    ldr p, [sp, #FRAME_MULTIPLIER]
    smlabb acc3, q, third2, acc3
    ldr q, [sp, #FRAME_ZERO_POINT]
  .endm

  .macro tile_stride_2
    smlad acc0, p, w0, acc3
    ldr q, [lower]
    smlabb acc0, q, third01, acc0
    ldr p, [upper, #4]
    smlad acc0, p, w1, acc0
    ldr q, [lower, #4]
    smlabt acc0, q, third01, acc0
    ldr p, [upper, #8]
    smlad acc0, p, w2, acc0
    ldr q, [lower, #8]
    smlad acc1, p, w0, acc3
    smlabb acc0, q, third2, acc0
    ldr p, [upper, #12]
    smlabb acc1, q, third01, acc1
    ldr q, [lower, #12]
    smlad acc1, p, w1, acc1
    ldr p, [upper, #16]
    smlabt acc1, q, third01, acc1
    ldr q, [lower, #16]
    smlad acc1, p, w2, acc1
    smlad acc2, p, w0, acc3
    ldr p, [upper, #20]
    smlabb acc1, q, third2, acc1
    smlabb acc2, q, third01, acc2
    ldr q, [lower, #20]
    smlad acc2, p, w1, acc2
    ldr p, [upper, #24]
    smlabt acc2, q, third01, acc2
    ldr q, [lower, #24]
    smlad acc2, p, w2, acc2
    smlad acc3, p, w0, acc3
    ldr p, [upper, #28]
    smlabb acc2, q, third2, acc2
    smlabb acc3, q, third01, acc3
    ldr q, [lower, #28]
    smlad acc3, p, w1, acc3
    ldr p, [upper, #32]
    smlabt acc3, q, third01, acc3
    ldr q, [lower, #32]
    smlad acc3, p, w2, acc3
    ldr p, [sp, #FRAME_MULTIPLIER]
    smlabb acc3, q, third2, acc3
    ldr q, [sp, #FRAME_ZERO_POINT]
  .endm

  /* Rows of outputs of `count` channels; `tile` is the macro, `bytes` what its inputs advance by. */
  .macro define_kernel name, tile, bytes
  .global \name
  .type \name, %function
  .thumb_func
  .p2align 3
\name:
  push {r4-r11, lr}
  sub sp, #FRAME_BYTES
  str r0, [sp, #FRAME_ARGUMENTS]
  ldr r1, [r0, #ROW_PLANE]
  ldr r2, [r0, #ROW_FILTER]
  ldr r3, [r0, #ROW_Y]
  ldr r4, [r0, #ROW_STRIDE]
  ldr r5, [r0, #ROW_ZERO_POINT]
  ldr r6, [r0, #ROW_COUNT]
  str r1, [sp, #FRAME_PLANE]
  str r2, [sp, #FRAME_FILTER]
  str r3, [sp, #FRAME_Y]
  str r4, [sp, #FRAME_STRIDE]
  str r5, [sp, #FRAME_ZERO_POINT]
  str r6, [sp, #FRAME_COUNT]
1:
  ldr r4, [sp, #FRAME_ARGUMENTS]
  ldr r3, [sp, #FRAME_FILTER]
  ldr upper, [sp, #FRAME_PLANE]
  ldr r5, [r4, #ROW_PAIR_BYTES]
  ldr r6, [r4, #ROW_TILES]
  ldr r7, [r4, #ROW_PLANE_BYTES]
  add lower, upper, r5
  movs r12, #\bytes
  mla r6, r6, r12, upper
  ldr r12, [r3, #4]             /* multiplier */
  add r7, r7, upper
  str r6, [sp, #FRAME_END]
  str r7, [sp, #FRAME_PLANE]
  str r12, [sp, #FRAME_MULTIPLIER]
  ldr acc3, [r3]                /* bias */
  ldr w0, [r3, #8]
  ldr w1, [r3, #12]
  str acc3, [sp, #FRAME_BIAS]
  ldr w2, [r3, #16]
  ldr third01, [r3, #20]
  ldr r4, [r3, #24]
  ldr third2, [r3, #28]
  adds r3, #FILTER_BYTES
  ldr out, [sp, #FRAME_Y]
  pkhbt third01, third01, r4, lsl #16
  str r3, [sp, #FRAME_FILTER]
  adds r4, out, #1
  ldr p, [upper]
  str r4, [sp, #FRAME_Y]
  .p2align 3
2:
  \tile
  smmlar acc0, acc0, p, q
  adds upper, #\bytes
  smmlar acc1, acc1, p, q
  adds lower, #\bytes
  ssat acc0, #8, acc0
  smmlar acc2, acc2, p, q
  ssat acc1, #8, acc1
  smmlar acc3, acc3, p, q
  ldr p, [sp, #FRAME_STRIDE]
  ldr q, [sp, #FRAME_END]
  ssat acc2, #8, acc2
  strb acc0, [out]
  ssat acc3, #8, acc3
  strb acc1, [out, p]
  add out, out, p, lsl #1
  cmp upper, q
  strb acc2, [out]
  strb acc3, [out, p]
  add out, out, p, lsl #1
  ldr acc3, [sp, #FRAME_BIAS]
  ldr p, [upper]
  bne 2b
  ldr r4, [sp, #FRAME_COUNT]
  subs r4, #1
  str r4, [sp, #FRAME_COUNT]
  bne 1b
  add sp, #FRAME_BYTES
  pop {r4-r11, pc}
  .size \name, . - \name
  .endm

  define_kernel TF(depthwise_row_3x3), tile_stride_1, 16
  define_kernel TF(depthwise_row_3x3_stride_2), tile_stride_2, 32

#endif
