# SPDX-License-Identifier: Apache-2.0
"""Sizes of the block-sparse kernel's data for weights that are known only by their number of blocks.

Packing (:mod:`tinyformer.engine.packing.sparse`) gives the same figures for actual weights, in the time it takes to
encode them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tinyformer.engine.packing.layout import INDEX_DIGIT
from tinyformer.engine.packing.sparse import SPARE_WORDS, WORTHWHILE, sparse_tiling, stream_words, widens_in_order
from tinyformer.engine.packing.tiling import Tiling
from tinyformer.ir.graph import Conv2D, Tensor


@dataclass(frozen=True)
class SparseSizes:
    """Bytes of constants (index, weights, channels) and of scratch, stored weights, passes over the input, tiles."""

    constant_bytes: int
    scratch_bytes: int
    stored_weights: int
    passes: int
    tiles: Tiling


def sparse_sizes(op: Conv2D, y: Tensor, block: tuple[int, int], kept_blocks: int, limit: int) -> SparseSizes | None:
    """Sizes for ``op``, whose weights are not looked at, with the output ``y`` in at most ``limit`` bytes of scratch.

    ``kept_blocks`` blocks of two or more outputs are spread at random. The index is an expected value, for its numbers
    depend on where the blocks lie; everything else is exact. ``None`` where the compiler would take the dense kernel.
    """
    outputs, inputs = len(op.weights), math.prod(op.weights.shape[1:])
    rows, columns = block
    block_rows, block_columns = -(-outputs // rows), -(-(-(-inputs // 4) * 4) // columns)
    row_pairs = block_rows * (rows // 2)
    stored = kept_blocks * rows * columns
    tiles = sparse_tiling(op, y, block, stored)
    fixed = tiles.scratch_bytes
    wanted = stream_words(row_pairs, kept_blocks * (rows // 2) * (columns // 2))
    words = min((limit - fixed) // 4, wanted)
    if stored > WORTHWHILE * outputs * inputs or words <= SPARE_WORDS or not widens_in_order(op):
        return None
    index = _index_bytes(kept_blocks, block_rows, block_columns)
    return SparseSizes(
        constant_bytes=index + stored + 16 * row_pairs,
        scratch_bytes=4 * words + fixed,
        stored_weights=stored,
        passes=stream_passes(wanted, words),
        tiles=tiles,
    )


def stream_passes(wanted: int, words: int) -> int:
    """Number of passes of the kernel over its input if ``words`` of the ``wanted`` ones fit its scratch at a time."""
    return -(-(wanted - SPARE_WORDS) // max(words - SPARE_WORDS, 1))


def _index_bytes(kept: int, block_rows: int, block_columns: int) -> int:
    """Expected bytes of the index: a gap for each block; for each block row its distance and its number of blocks.

    A number n takes 1 + n // 15 digits of four bits. With blocks of density p, a block stands behind a gap of 15 k or
    more with probability p (1 - p)^(15 k) in each of the columns that have so many before them.
    """
    density = kept / (block_rows * block_columns)
    digits: float = kept
    for gap in range(INDEX_DIGIT, block_columns, INDEX_DIGIT):
        digits += block_rows * (block_columns - gap) * density * (1 - density) ** gap
    digits += block_rows * (1 + kept / block_rows // INDEX_DIGIT) + block_rows * (1 + block_rows / 2 / INDEX_DIGIT)
    return round(digits / 2)
