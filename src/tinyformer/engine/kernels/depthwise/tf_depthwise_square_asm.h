/* SPDX-License-Identifier: Apache-2.0 */
/* Body of tf_depthwise_row_5x5.S and tf_depthwise_row_7x7.S, for ARMv7E-M: the words of a pair of filter rows stay in registers
 * while four outputs use them; a word that is not needed any more makes room for that of the next pair, or channel. The
 * reference, tf_depthwise_square_reference.h, says what it computes.
 *
 * The file that includes it defines SIZE (5 or 7) and the registers w0 to w4 or w6 for the words of a pair. With AHEAD, it
 * has two more: pair_bytes, and `ahead` for the last column of a pair, so that upper moves on before that is used. */
#include "tf_depthwise_asm.h"
#include "tf_layout.h"

#define PAIRS ((SIZE + 1) / 2)
#define RECORD_BYTES (4 * TF_FILTER_WORDS(SIZE))
#define LAST_COLUMN(stride) (SIZE + 3 * (stride) - 1)

  /* Loads word \k of a pair, \offset words behind the beginning of the channel's record. */
  .macro load_weight which, offset
    .irp k, 0, 1, 2, 3, 4, 5, 6
      .if (\k < SIZE) && (\k == (\which))
        ldr.w w\k, [filter, #4 * (1 + \offset + \k)]
      .endif
    .endr
  .endm

  /* What goes beside the first product of a column: the words that the column before was the last to use make room, but for
   * the last two; these come when the next pair has begun, or when the channel is finished. */
  .macro fill pair, c, stride
    .if ((\c - 1 - 3 * \stride) >= 0) && ((\c - 1 - 3 * \stride) < (SIZE - 2))
      .if (\pair + 1) < PAIRS
        load_weight (\c - 1 - 3 * \stride), ((\pair + 1) * SIZE)
      .else
        load_weight (\c - 1 - 3 * \stride), (RECORD_BYTES / 4)
      .endif
    .endif
    .if (\pair > 0) && ((\c == 1) || (\c == 2))
      load_weight (SIZE - 3 + \c), (\pair * SIZE)
    .endif
#if AHEAD
    .if (\pair + 1) < PAIRS
      .if \c == (LAST_COLUMN(\stride) - 2)
        ldr.w ahead, [upper, #4 * LAST_COLUMN(\stride)]
      .endif
      .if \c == (LAST_COLUMN(\stride) - 1)
        add upper, upper, pair_bytes
      .endif
    .elseif \c == 3
      ldr ahead, [filter, #RECORD_BYTES - 4]
    .endif
#endif
  .endm

  /* The products of one column of words. */
  .macro column pair, c, stride, word
    .set first, 1
    .irp o, 0, 1, 2, 3
      .irp k, 0, 1, 2, 3, 4, 5, 6
        .if (\k < SIZE) && (\c == (\o * \stride + \k))
          .if (\pair == 0) && (\k == 0)
            smlad sum\o, \word, w\k, sum3
          .else
            smlad sum\o, \word, w\k, sum\o
          .endif
          .if first
            fill \pair, \c, \stride
            .set first, 0
          .endif
        .endif
      .endr
    .endr
  .endm

  /* A pair that another one follows, then the last. Column 0 is in p. */
  .macro pair_of_rows pair, stride
    .set at, 0
#if AHEAD
    .rept LAST_COLUMN(\stride) - 1
      column \pair, at, \stride, p
      .set at, at + 1
      ldr.w p, [upper, #4 * at]
    .endr
    column \pair, at, \stride, p
    .set at, at + 1
    column \pair, at, \stride, ahead
#else
    .rept LAST_COLUMN(\stride)
      column \pair, at, \stride, p
      .set at, at + 1
      ldr.w p, [upper, #4 * at]
    .endr
    column \pair, at, \stride, p
    ldr p, [sp, #FRAME_PAIR_BYTES]
    add upper, upper, p
#endif
    ldr p, [upper]
  .endm

  /* Ends with `m`, which is ahead or p, the multiplier, and `q` the zero point. */
  .macro last_pair_of_rows stride, m, q
    .set at, 0
    .rept LAST_COLUMN(\stride)
      column (PAIRS - 1), at, \stride, p
      .set at, at + 1
      ldr.w p, [upper, #4 * at]
    .endr
    column (PAIRS - 1), at, \stride, p
    ldr \q, [sp, #FRAME_ZERO_POINT]
#if !AHEAD
    ldr \m, [filter, #RECORD_BYTES - 4]
#endif
  .endm

  /* `q` and `t` are the last two words of a pair, `m` is ahead or p. */
  .macro define_kernel name, stride, m, q, t
  .global \name
  .type \name, %function
  .thumb_func
  .p2align 3
\name:
  enter RECORD_BYTES, PAIRS - 1
1:
  begin_tile 16 * \stride
#if AHEAD
  ldr pair_bytes, [sp, #FRAME_PAIR_BYTES]
#endif
  ldr sum3, [filter]
  .irp k, 0, 1, 2, 3, 4, 5, 6
    load_weight \k, 0
  .endr
  .p2align 3
2:
  ldr p, [upper]
  pair_of_rows 0, \stride
  pair_of_rows 1, \stride
  .if PAIRS > 3
    pair_of_rows 2, \stride
  .endif
  last_pair_of_rows \stride, \m, \q
  finish_tile \m, \q, \t, RECORD_BYTES
  ldr.w \q, [filter, #4 * (SIZE - 1)]
  ldr.w \t, [filter, #4 * SIZE]
  ldr sum3, [filter]
  bne 2b
  next_tile_or_leave 1b
  .size \name, . - \name
  .endm
