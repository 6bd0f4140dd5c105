# SPDX-License-Identifier: Apache-2.0
"""Packing for ``tf_conv_sparse``: convolutions and linear layers with zero blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tinyformer.engine.packing.description import Call, Constant, FieldValue, Implementation, Kernel
from tinyformer.engine.packing.kernel_files import assembled
from tinyformer.engine.packing.layout import (
    SINGLE_BLOCK_WORDS,
    SINGLE_HEADER_WORDS,
    SPARSE_FIRST_WORDS,
    SPARSE_PAIR_WORDS,
    SPARSE_PASS,
    STREAM_SPARE_WORDS,
    sparse_record_words,
)
from tinyformer.engine.packing.portable import linear_as_convolution, window_fields
from tinyformer.engine.packing.row_pairs import admits, pair_channels, ungrouped
from tinyformer.engine.packing.sparse_encoding import BLOCKS, SparseMatrix, block_row_starts, encode
from tinyformer.engine.packing.tiling import Tiling, tiling, whole_tiling
from tinyformer.ir import graph as ir
from tinyformer.ir.graph import Op, Tensor

_SOURCES = ("tf_conv_sparse_body.c", *assembled("read_pairs", "sparse_rows"))

SPARE_WORDS = SPARSE_FIRST_WORDS + STREAM_SPARE_WORDS
"""Words of the stream beside its records."""

WORTHWHILE = 0.95
"""Fraction of the weights up to which storing and multiplying only blocks beats the dense kernel."""

_EQUAL = 1.03
"""Ratio of products up to which two block shapes count as equally fast."""


_SINGLE_ROW = 2.0
"""Time of a product where every input is used for one output only, in that of the others."""


def sources(tiles: Tiling) -> tuple[str, ...]:
    """Files of the kernel for blocks of two or more outputs."""
    return (f"tf_conv_sparse{tiles.suffix}.c", *_SOURCES, *tiles.sources)


def widens_in_order(op: ir.Conv2D) -> bool:
    """Whether tiles hold inputs in the order of the encoding (:func:`.row_pairs.in_tile_order`)."""
    return bool(op.weights.shape[1] == 1 or op.weights.shape[3] % 4 == 0)


def sparse_tiling(op: ir.Conv2D, y: Tensor, block: tuple[int, int], stored_weights: int) -> Tiling:
    """The tiles of ``op`` with so many weights in the blocks that are kept."""
    inputs = math.prod(op.weights.shape[1:])
    pairs = -(-(-(-inputs // 4) * 4) // block[1]) * block[1] // 2
    if block[0] == 1:
        return whole_tiling(op, y, pairs)
    return tiling(op, y, pairs, stored_weights, most_rows=1)


def stream_words(row_pairs: int, pairs: int) -> int:
    """Words that hold the expanded records of ``row_pairs`` row pairs with ``pairs`` 2 x 2 blocks in all.

    An upper bound that does not depend on how the blocks are spread over the rows, so that the memory which a network
    needs is known before its weights are. An empty row pair takes the room of one block.
    """
    return SPARSE_PAIR_WORDS * pairs + sparse_record_words(1) * row_pairs + pairs // SPARSE_PASS + SPARE_WORDS


def _pack(op: Op, tensors: Mapping[str, Tensor], limit: int) -> list[Implementation]:
    if isinstance(op, ir.Linear):
        op, tensors = linear_as_convolution(op, tensors)
    assert isinstance(op, ir.Conv2D)
    op = ungrouped(op)
    if op.requantization.shift or not admits(op, tensors[op.output]) or not widens_in_order(op):
        return []
    flat = op.weights.reshape(len(op.weights), -1)
    found: list[tuple[float, Implementation]] = []
    for block in BLOCKS:
        if block[0] > len(flat):
            continue
        matrix = encode(flat, block)
        implementation = _implement(op, tensors, matrix, limit)
        if implementation is not None and matrix.weights.size <= WORTHWHILE * flat.size:
            found.append((matrix.weights.size * (_SINGLE_ROW if block[0] == 1 else 1), implementation))
    # The time is that of the products; among equals, the smallest.
    least = min((products for products, _ in found), default=0)
    found.sort(key=lambda item: (max(item[0], _EQUAL * least), item[1].constant_bytes))
    return [implementation for _, implementation in found]


def _implement(op: ir.Conv2D, tensors: Mapping[str, Tensor], matrix: SparseMatrix, limit: int) -> Implementation | None:
    x, y = tensors[op.inputs[0]], tensors[op.output]
    rows, columns = matrix.block
    tiles = sparse_tiling(op, y, matrix.block, matrix.weights.size)
    fixed = tiles.scratch_bytes
    first_outputs = block_row_starts(matrix.outputs, rows)[matrix.order]
    most_blocks = int(matrix.counts.max())
    if rows == 1:
        name = "conv_sparse_single"
        least = SINGLE_HEADER_WORDS + SINGLE_BLOCK_WORDS * most_blocks
        wanted = SINGLE_HEADER_WORDS * len(matrix.order) + SINGLE_BLOCK_WORDS * int(matrix.counts.sum())
        multipliers = np.broadcast_to(op.requantization.multipliers, matrix.outputs)
        channels = np.stack([op.bias, multipliers], axis=1)[first_outputs].astype(np.int32).reshape(-1)
    else:
        name = "conv_sparse"
        least = sparse_record_words(max(most_blocks * columns // 2, 1)) * (rows // 2) + SPARE_WORDS
        wanted = stream_words(len(matrix.order) * rows // 2, matrix.weights.size // 4)
        pair_outputs = (first_outputs[:, None] + np.arange(0, rows, 2)).reshape(-1)
        channels = pair_channels(op, pair_outputs, 0)
    words = min((limit - fixed) // 4, wanted)
    if words < least:
        return None
    r = op.requantization
    fields: dict[str, FieldValue] = {
        **window_fields(op, op.weights.shape[1:3], x, y),
        "pairs": tiles.pairs, "block_rows": len(matrix.order), "band_rows": tiles.band_rows,
        "block_row_pairs": rows // 2, "block_pairs": columns // 2, "tile_words": tiles.words, "stream_words": words,
        "index": Constant(matrix.index), "weights": Constant(matrix.weights), "channels": Constant(channels),
        "zero_point": r.zero_point, "low": r.low, "high": r.high,
    }  # fmt: skip
    call = Call(f"{name}{tiles.suffix}", "tf_conv_sparse_params", fields)
    files = ("tf_conv_sparse_single.c", *tiles.sources) if rows == 1 else sources(tiles)
    return Implementation(name, files, (call,), 4 * words + fixed, encoding=f"sparse {rows}x{columns}")


KERNEL = Kernel("conv_sparse", (ir.Conv2D, ir.Linear), _pack)
