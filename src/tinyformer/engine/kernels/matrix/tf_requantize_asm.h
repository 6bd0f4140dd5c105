/* SPDX-License-Identifier: Apache-2.0 */
/* A macro for the assembly of row pairs: the middle of the requantization of eight accumulators.
 *
 * r4-r7 and r8-r11 hold outputs 0 and 1 of four pixels, r12 and lr their multipliers, r2 the zero point, r3 2 * offset plus 1
 * in the last row pair. Before it comes `smmlar r4, r4, r12, r2` with what goes beside it, after it the saturation of r10, r7
 * and r11. Leaves the outputs of the first two pixels as half-words in r4 and r5, the offset in r3, `last` in the carry. */

  .macro requantize_row_pair
    smmlar r8, r8, lr, r2
    lsrs r3, r3, #1               /* carry: last */
    ssat r4, #8, r4
    smmlar r5, r5, r12, r2
    ssat r8, #8, r8
    smmlar r9, r9, lr, r2
    ssat r5, #8, r5
    smmlar r6, r6, r12, r2
    ssat r9, #8, r9
    smmlar r10, r10, lr, r2
    bfi r4, r8, #8, #24           /* two outputs in a half-word */
    smmlar r7, r7, r12, r2
    bfi r5, r9, #8, #24
    smmlar r11, r11, lr, r2
    ssat r6, #8, r6
  .endm
