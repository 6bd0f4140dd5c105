# SPDX-License-Identifier: Apache-2.0
"""Features that the cycles of a kernel depend on: a handful of counts for each operator.

A kernel's cycles are modelled as a sum of these counts, each times a constant of that kernel (:mod:`.table`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinyformer.engine.costs.sparse_sizes import stream_passes
from tinyformer.engine.packing import Constant, Implementation
from tinyformer.engine.packing.row_pairs import TILE_PIXELS, tiled
from tinyformer.engine.packing.sparse import stream_words
from tinyformer.engine.packing.tiling import Tiling
from tinyformer.ir import graph as ir

Features = dict[str, float]


def kernel_key(op: ir.Op, kernel: str) -> str:
    """Name of what is measured separately: a kernel of an operator, such as ``Conv2D conv_sparse``.

    Linear layers are convolutions to all kernels. Block shapes are not told apart: whatever is stored, the kernel
    multiplies 2 x 2 blocks.
    """
    operator = "Conv2D" if isinstance(op, ir.Linear) else type(op).__name__
    return f"{operator} {kernel}"


def features(
    op: ir.Op,
    tensors: Mapping[str, ir.Tensor],
    stored_weights: int = 0,
    passes: int = 1,
    band_rows: int = 0,
    blocks: int = 0,
) -> Features:
    """Counts of ``op`` by name.

    For convolutions and linear layers, ``stored_weights`` are those that the encoding keeps, in so many ``blocks`` if
    it is sparse, ``passes`` how often the kernel goes through its input, and ``band_rows`` is that of its
    :class:`~tinyformer.engine.packing.tiling.Tiling`.
    """
    x, y = tensors[op.inputs[0]].shape, tensors[op.output].shape
    outputs = math.prod(y)
    match op:
        case ir.Conv2D() | ir.Linear():
            tiles = _tiles(op, y, band_rows)
            return {
                "call": 1,
                "rows": len(op.weights),
                "outputs": tiles.pixels * len(op.weights),
                "weights": stored_weights,
                "blocks": blocks,
                "products": tiles.pixels * stored_weights,
                **{name: count * passes for name, count in _gathering(tiles).items()},
            }
        case ir.DepthwiseConv2D():
            height, width, channels = op.weights.shape
            return {
                "call": 1,
                "channels": channels,
                "inputs": math.prod(x),
                "outputs": outputs,
                "products": channels * y[1] * tiled(y[2]) * height * width,
                "lines": channels * y[1],
            }
        case ir.BatchMatMul():
            rows, right = op.batch * tiled(op.m), op.batch * op.k * op.n
            return {
                "call": 1,
                "columns": op.batch * op.n,
                "right": right if op.b_strides[1] == 1 else 0,
                "right_transposed": right if op.b_strides[1] != 1 else 0,
                "rows": rows,
                "left": rows * op.k,
                "outputs": rows * op.n,
                "products": rows * op.n * tiled(op.k),
            }
        case ir.AveragePool2D() | ir.MaxPool2D():
            cells = op.kernel[0] * op.kernel[1]
            return {"call": 1, "positions": outputs // y[-1], "outputs": outputs, "cells": outputs * cells}
        case _:
            return {"call": 1, "rows": outputs // y[-1], "outputs": outputs}


def _tiles(op: ir.Conv2D | ir.Linear, y: tuple[int, ...], band_rows: int) -> Tiling:
    """The tiles of ``op`` with an output of shape ``y``; all its positions are in a row where they are not pixels."""
    *kernel, channels = op.weights.shape[1:]
    height, width = kernel or (1, 1)
    image = (y[1], y[2]) if kernel else (1, math.prod(y[:-1]))
    return Tiling((height, width), channels, -(-height * width * channels // 4) * 2, image, band_rows)


def _gathering(tiles: Tiling) -> Features:
    """Counts by how inputs reach the tiles: as they lie, in bands, tap by tap, or (odd channels) copied together."""
    visits, cells, widened = tiles.pixels, tiles.cells, tiles.cells * tiles.channels
    if tiles.channels % TILE_PIXELS:
        return {"visits": visits, "copied_taps": cells, "copied": widened}
    if tiles.band_rows:
        return {"visits": visits, "band_cells": cells, "gathered": widened}
    return {"visits": visits, "taps": cells if tiles.kernel != (1, 1) else 0, "gathered": widened}


def measured_features(op: ir.Op, tensors: Mapping[str, ir.Tensor], choice: Implementation) -> Features:
    """:func:`features` of ``op`` as ``choice`` runs it, with the weights that it stores."""
    if not isinstance(op, ir.Conv2D | ir.Linear):
        return features(op, tensors)
    fields = choice.calls[0].fields

    def field(name: str, default: int = 1) -> int:
        value = fields.get(name, default)
        assert isinstance(value, int)
        return value

    stored, blocks, passes = op.weights.size, 0, -(-field("row_pairs") // field("group_rows"))
    if choice.encoding.startswith("sparse"):
        weights = fields["weights"]
        assert isinstance(weights, Constant)
        stored = weights.values.size
        blocks = stored // math.prod(map(int, choice.encoding.removeprefix("sparse ").split("x")))
        wanted = stream_words(field("block_rows") * field("block_row_pairs"), stored // 4)
        passes = stream_passes(wanted, field("stream_words"))
    return features(op, tensors, stored, passes, field("band_rows", 0), blocks)
