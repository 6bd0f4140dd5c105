/* SPDX-License-Identifier: Apache-2.0 */
/* A macro for the assembly that widens cells into a tile of COLUMNS columns; `tile` and `even` name registers. */
#define ODD (4 * COLUMNS)            /* bytes from an even pair to the odd one */

  /* Widens two columns, from the words a and b, and loads those of the next two to c and a. */
  .macro two_columns column, a, b, c, from_c, from_a
    sxtb16 even, \a
    .if \column + 2 < COLUMNS
      ldr \c, [\from_c], #4
    .endif
    sxtb16 \a, \a, ror #8
    str even, [tile, #4 * \column]
    sxtb16 even, \b
    str \a, [tile, #4 * \column + ODD]
    sxtb16 \b, \b, ror #8
    str even, [tile, #4 * \column + 4]
    .if \column + 2 < COLUMNS
      ldr \a, [\from_a], #4
    .endif
    str \b, [tile, #4 * \column + 4 + ODD]
  .endm
