/* SPDX-License-Identifier: Apache-2.0 */
/* What the assembly of depthwise rows has in common, for ARMv7E-M: the way through tiles and channels, and the end of a tile.
 *
 * A tile is four outputs of one channel. Channels are the inner loop, so that its branch is mispredicted once a tile of all
 * channels, whatever the width of the image. Its weights are loaded while the channel before is finished.
 *
 * Registers: upper walks through the plane, filter points to the channel's record: bias, weights, multiplier. sum3 holds
 * the bias until output 3 begins. */
#define FRAME_ZERO_POINT 0
#define FRAME_Y 4            /* first output of the channel */
#define FRAME_NEXT 8         /* bytes from where upper ends to the next channel's plane */
#define FRAME_STRIDE 12
#define FRAME_FILTER_END 16
#define FRAME_FILTER 20      /* of the first channel */
#define FRAME_TILE 24        /* the first channel's plane at the next tile */
#define FRAME_TILE_Y 28      /* and its first output */
#define FRAME_TILES 32
#define FRAME_PAIR_BYTES 36
#define FRAME_BYTES 44

upper  .req r0
filter .req r2
p      .req r3
sum0   .req r4
sum1   .req r5
sum2   .req r6
sum3   .req r7

  .syntax unified
  .thumb
  .text

  /* Fills the frame from the tf_depthwise_row at r0; `record` is the bytes of a filter, upper ends `pairs` pairs of rows below
   * where it begins. */
  .macro enter record, pairs
    push {r4-r11, lr}
    sub sp, #FRAME_BYTES
    ldm r0, {r1-r9}            /* plane, filter, y, stride, zero_point, count, plane_bytes, pair_bytes, tiles */
    mov r10, #\record
    mla r10, r6, r10, r2
    .if \pairs
      mov r11, #\pairs
      mls r7, r8, r11, r7
    .endif
    str r5, [sp, #FRAME_ZERO_POINT]
    strd r7, r4, [sp, #FRAME_NEXT]
    strd r10, r2, [sp, #FRAME_FILTER_END]
    strd r1, r3, [sp, #FRAME_TILE]
    strd r9, r8, [sp, #FRAME_TILES]
  .endm

  /* Goes to the next tile, whose words begin `bytes` bytes after those of the one before. */
  .macro begin_tile bytes
    ldrd upper, r3, [sp, #FRAME_TILE]
    ldr r4, [sp, #FRAME_STRIDE]
    ldr filter, [sp, #FRAME_FILTER]
    str r3, [sp, #FRAME_Y]
    add r5, upper, #\bytes
    add r3, r3, r4, lsl #2
    strd r5, r3, [sp, #FRAME_TILE]
  .endm

  /* Requantizes and stores a tile; `m` is the multiplier, `q` the zero point, p and `t` are free. Moves filter and upper on to
   * the next channel, and, if there is one, `lower`, which goes with upper. Compares filter with its end. */
  .macro finish_tile m, q, t, record, lower
    smmlar sum0, sum0, \m, \q
    add filter, filter, #\record
    smmlar sum1, sum1, \m, \q
    ssat sum0, #8, sum0
    smmlar sum2, sum2, \m, \q
    ssat sum1, #8, sum1
    smmlar sum3, sum3, \m, \q
    ldr p, [sp, #FRAME_NEXT]
    ldr \q, [sp, #FRAME_Y]
    ssat sum2, #8, sum2
    ldr \t, [sp, #FRAME_STRIDE]
    ssat sum3, #8, sum3
    add upper, upper, p
    strb sum0, [\q]
    .ifnb \lower
      add \lower, \lower, p
    .endif
    strb sum1, [\q, \t]
    add sum0, \q, \t, lsl #1
    ldr sum1, [sp, #FRAME_FILTER_END]
    add \q, \q, #1
    strb sum2, [sum0]
    cmp filter, sum1
    strb sum3, [sum0, \t]
    str \q, [sp, #FRAME_Y]
  .endm

  .macro next_tile_or_leave loop
    ldr r4, [sp, #FRAME_TILES]
    subs r4, #1
    str r4, [sp, #FRAME_TILES]
    bne \loop
    add sp, #FRAME_BYTES
    pop {r4-r11, pc}
  .endm
