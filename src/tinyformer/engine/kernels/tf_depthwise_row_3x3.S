/* tf_depthwise_row_3x3_* for ARMv7E-M: tiles of four outputs in four accumulators, six products and one requantization an
 * output. The C twin, tf_depthwise_3x3.c, says what it computes. */
#include "tf_name.h"
#if TF_ARM_DSP

#define FRAME_MULTIPLIER 0
#define FRAME_ZERO_POINT 4
#define FRAME_BIAS 8
#define FRAME_STRIDE 12
#define FRAME_END 16
/* Loaded together where a channel begins. */
#define FRAME_CHANNEL 20
#define FRAME_PLANE 20
#define FRAME_PAIR_BYTES 24
#define FRAME_Y 28
#define FRAME_FILTER 32
#define FRAME_ROW_BYTES 36
#define FRAME_PLANE_BYTES 40
#define FRAME_COUNT 44
#define FRAME_BYTES 52
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
#define FILTER_BYTES 56      /* of both parities */

upper .req r0       /* words of two filter rows */
lower .req r1       /* words of the third, in one half */
out   .req r2
p     .req r3
q     .req r12
acc0  .req r4
acc1  .req r5
acc2  .req r6
acc3  .req r7       /* the bias until output 3 begins */
w0    .req r8       /* two filter rows, columns 0 to 2 */
w1    .req r9
w2    .req r10
third01 .req r11      /* the third, columns 0 and 1, and 2 */
third2  .req lr

  .syntax unified
  .thumb
  .text

  /* `half` is b where the words of the third filter row hold it low, t where high. */
  .macro tile_stride_1 half
    smlad acc0, p, w0, acc3
    ldr q, [lower]
    smla\half\()b acc0, q, third01, acc0
    ldr p, [upper, #4]
    smlad acc0, p, w1, acc0
    ldr q, [lower, #4]
    smlad acc1, p, w0, acc3
    smla\half\()t acc0, q, third01, acc0
    ldr p, [upper, #8]
    smla\half\()b acc1, q, third01, acc1
    smlad acc0, p, w2, acc0
    ldr q, [lower, #8]
    smlad acc1, p, w1, acc1
    smlad acc2, p, w0, acc3
    ldr p, [upper, #12]
    smla\half\()b acc0, q, third2, acc0
    smla\half\()t acc1, q, third01, acc1
    smla\half\()b acc2, q, third01, acc2
    ldr q, [lower, #12]
    smlad acc1, p, w2, acc1
    smlad acc2, p, w1, acc2
    smlad acc3, p, w0, acc3
    ldr p, [upper, #16]
    smla\half\()b acc1, q, third2, acc1
    smla\half\()t acc2, q, third01, acc2
    smla\half\()b acc3, q, third01, acc3
    ldr q, [lower, #16]
    smlad acc2, p, w2, acc2
    smlad acc3, p, w1, acc3
    ldr p, [upper, #20]
    smla\half\()b acc2, q, third2, acc2
    smla\half\()t acc3, q, third01, acc3
    ldr q, [lower, #20]
    smlad acc3, p, w2, acc3
    ldr p, [sp, #FRAME_MULTIPLIER]
    smla\half\()b acc3, q, third2, acc3
    ldr q, [sp, #FRAME_ZERO_POINT]
  .endm

  .macro tile_stride_2 half
    smlad acc0, p, w0, acc3
    ldr q, [lower]
    smla\half\()b acc0, q, third01, acc0
    ldr p, [upper, #4]
    smlad acc0, p, w1, acc0
    ldr q, [lower, #4]
    smla\half\()t acc0, q, third01, acc0
    ldr p, [upper, #8]
    smlad acc0, p, w2, acc0
    ldr q, [lower, #8]
    smlad acc1, p, w0, acc3
    smla\half\()b acc0, q, third2, acc0
    ldr p, [upper, #12]
    smla\half\()b acc1, q, third01, acc1
    ldr q, [lower, #12]
    smlad acc1, p, w1, acc1
    ldr p, [upper, #16]
    smla\half\()t acc1, q, third01, acc1
    ldr q, [lower, #16]
    smlad acc1, p, w2, acc1
    smlad acc2, p, w0, acc3
    ldr p, [upper, #20]
    smla\half\()b acc1, q, third2, acc1
    smla\half\()b acc2, q, third01, acc2
    ldr q, [lower, #20]
    smlad acc2, p, w1, acc2
    ldr p, [upper, #24]
    smla\half\()t acc2, q, third01, acc2
    ldr q, [lower, #24]
    smlad acc2, p, w2, acc2
    smlad acc3, p, w0, acc3
    ldr p, [upper, #28]
    smla\half\()b acc2, q, third2, acc2
    smla\half\()b acc3, q, third01, acc3
    ldr q, [lower, #28]
    smlad acc3, p, w1, acc3
    ldr p, [upper, #32]
    smla\half\()t acc3, q, third01, acc3
    ldr q, [lower, #32]
    smlad acc3, p, w2, acc3
    ldr p, [sp, #FRAME_MULTIPLIER]
    smla\half\()b acc3, q, third2, acc3
    ldr q, [sp, #FRAME_ZERO_POINT]
  .endm

  /* Rows of outputs of `count` channels; `tile` is the macro with its half, `bytes` what its inputs advance by. */
  .macro define_kernel name, tile, half, bytes
  .global \name
  .type \name, %function
  .thumb_func
  .p2align 3
\name:
  push {r4-r11, lr}
  sub sp, #FRAME_BYTES
  ldr r1, [r0, #ROW_PLANE]
  ldr r2, [r0, #ROW_PAIR_BYTES]
  ldr r3, [r0, #ROW_Y]
  ldr r4, [r0, #ROW_FILTER]
  ldr r5, [r0, #ROW_TILES]
  ldr r6, [r0, #ROW_PLANE_BYTES]
  ldr r7, [r0, #ROW_COUNT]
  ldr r8, [r0, #ROW_STRIDE]
  ldr r9, [r0, #ROW_ZERO_POINT]
  movs r12, #\bytes
  mul r5, r5, r12
  add r10, sp, #FRAME_CHANNEL
  stm r10, {r1-r7}
  str r8, [sp, #FRAME_STRIDE]
  str r9, [sp, #FRAME_ZERO_POINT]
1:
  add r12, sp, #FRAME_CHANNEL
  ldm r12, {upper, lower, out, r3, r4, r5}
  add lower, upper, lower
  add r4, upper, r4
  add r5, upper, r5
  str r4, [sp, #FRAME_END]
  adds r4, out, #1
  str r5, [sp, #FRAME_PLANE]
  str r4, [sp, #FRAME_Y]
  ldm r3, {r6, acc3, w0, w1, w2, third01, third2}
  adds r3, #FILTER_BYTES
  str r6, [sp, #FRAME_MULTIPLIER]
  str r3, [sp, #FRAME_FILTER]
  ldr p, [upper]
  str acc3, [sp, #FRAME_BIAS]
  .p2align 3
2:
  \tile \half
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
  cmp upper, q
  ssat acc3, #8, acc3
  strb acc0, [out]
  add q, out, p, lsl #1
  strb acc1, [out, p]
  add out, out, p, lsl #2
  strb acc2, [q]
  strb acc3, [q, p]
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

  define_kernel TF(depthwise_row_3x3_even), tile_stride_1, b, 16
  define_kernel TF(depthwise_row_3x3_odd), tile_stride_1, t, 16
  define_kernel TF(depthwise_row_3x3_stride_2), tile_stride_2, b, 32

#endif
