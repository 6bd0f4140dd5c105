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
sum0  .req r4
sum1  .req r5
sum2  .req r6
sum3  .req r7       /* the bias until output 3 begins */
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
    smlad sum0, p, w0, sum3
    ldr q, [lower]
    smla\half\()b sum0, q, third01, sum0
    ldr p, [upper, #4]
    smlad sum0, p, w1, sum0
    ldr q, [lower, #4]
    smlad sum1, p, w0, sum3
    smla\half\()t sum0, q, third01, sum0
    ldr p, [upper, #8]
    smla\half\()b sum1, q, third01, sum1
    smlad sum0, p, w2, sum0
    ldr q, [lower, #8]
    smlad sum1, p, w1, sum1
    smlad sum2, p, w0, sum3
    ldr p, [upper, #12]
    smla\half\()b sum0, q, third2, sum0
    smla\half\()t sum1, q, third01, sum1
    smla\half\()b sum2, q, third01, sum2
    ldr q, [lower, #12]
    smlad sum1, p, w2, sum1
    smlad sum2, p, w1, sum2
    smlad sum3, p, w0, sum3
    ldr p, [upper, #16]
    smla\half\()b sum1, q, third2, sum1
    smla\half\()t sum2, q, third01, sum2
    smla\half\()b sum3, q, third01, sum3
    ldr q, [lower, #16]
    smlad sum2, p, w2, sum2
    smlad sum3, p, w1, sum3
    ldr p, [upper, #20]
    smla\half\()b sum2, q, third2, sum2
    smla\half\()t sum3, q, third01, sum3
    ldr q, [lower, #20]
    smlad sum3, p, w2, sum3
    ldr p, [sp, #FRAME_MULTIPLIER]
    smla\half\()b sum3, q, third2, sum3
    ldr q, [sp, #FRAME_ZERO_POINT]
  .endm

  .macro tile_stride_2 half
    smlad sum0, p, w0, sum3
    ldr q, [lower]
    smla\half\()b sum0, q, third01, sum0
    ldr p, [upper, #4]
    smlad sum0, p, w1, sum0
    ldr q, [lower, #4]
    smla\half\()t sum0, q, third01, sum0
    ldr p, [upper, #8]
    smlad sum0, p, w2, sum0
    ldr q, [lower, #8]
    smlad sum1, p, w0, sum3
    smla\half\()b sum0, q, third2, sum0
    ldr p, [upper, #12]
    smla\half\()b sum1, q, third01, sum1
    ldr q, [lower, #12]
    smlad sum1, p, w1, sum1
    ldr p, [upper, #16]
    smla\half\()t sum1, q, third01, sum1
    ldr q, [lower, #16]
    smlad sum1, p, w2, sum1
    smlad sum2, p, w0, sum3
    ldr p, [upper, #20]
    smla\half\()b sum1, q, third2, sum1
    smla\half\()b sum2, q, third01, sum2
    ldr q, [lower, #20]
    smlad sum2, p, w1, sum2
    ldr p, [upper, #24]
    smla\half\()t sum2, q, third01, sum2
    ldr q, [lower, #24]
    smlad sum2, p, w2, sum2
    smlad sum3, p, w0, sum3
    ldr p, [upper, #28]
    smla\half\()b sum2, q, third2, sum2
    smla\half\()b sum3, q, third01, sum3
    ldr q, [lower, #28]
    smlad sum3, p, w1, sum3
    ldr p, [upper, #32]
    smla\half\()t sum3, q, third01, sum3
    ldr q, [lower, #32]
    smlad sum3, p, w2, sum3
    ldr p, [sp, #FRAME_MULTIPLIER]
    smla\half\()b sum3, q, third2, sum3
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
  ldm r3, {r6, sum3, w0, w1, w2, third01, third2}
  adds r3, #FILTER_BYTES
  str r6, [sp, #FRAME_MULTIPLIER]
  str r3, [sp, #FRAME_FILTER]
  ldr p, [upper]
  str sum3, [sp, #FRAME_BIAS]
  .p2align 3
2:
  \tile \half
  smmlar sum0, sum0, p, q
  adds upper, #\bytes
  smmlar sum1, sum1, p, q
  adds lower, #\bytes
  ssat sum0, #8, sum0
  smmlar sum2, sum2, p, q
  ssat sum1, #8, sum1
  smmlar sum3, sum3, p, q
  ldr p, [sp, #FRAME_STRIDE]
  ldr q, [sp, #FRAME_END]
  ssat sum2, #8, sum2
  cmp upper, q
  ssat sum3, #8, sum3
  strb sum0, [out]
  add q, out, p, lsl #1
  strb sum1, [out, p]
  add out, out, p, lsl #2
  strb sum2, [q]
  strb sum3, [q, p]
  ldr sum3, [sp, #FRAME_BIAS]
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
