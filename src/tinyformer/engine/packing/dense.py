# SPDX-License-Identifier: Apache-2.0
"""Packing for ``tf_conv_dense``: convolutions of any kernel size, 1x1 and linear layers included."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tinyformer.engine.packing.description import Call, Constant, FieldValue, Implementation, Kernel
from tinyformer.engine.packing.kernel_files import assembled
from tinyformer.engine.packing.layout import DENSE_TILE_SPARE_WORDS, STREAM_SPARE_WORDS, dense_record_words
from tinyformer.engine.packing.portable import linear_as_convolution, window_fields
from tinyformer.engine.packing.row_pairs import (
    admits,
    balanced_groups,
    in_tile_order,
    pair_channels,
    row_pair_outputs,
    row_pair_words,
)
from tinyformer.engine.packing.tiling import BAND_ROWS, Tiling, tiling
from tinyformer.ir import graph as ir
from tinyformer.ir.graph import Op, Tensor


def _sources(tiles: Tiling) -> tuple[str, ...]:
    parts = assembled("widen_words", f"dense_rows{tiles.suffix}")
    return (f"tf_conv_dense{tiles.suffix}.c", "tf_conv_dense_body.c", *parts, *tiles.sources)


def _pack(op: Op, tensors: Mapping[str, Tensor], limit: int) -> list[Implementation]:
    if isinstance(op, ir.Linear):
        op, tensors = linear_as_convolution(op, tensors)
    assert isinstance(op, ir.Conv2D)
    x, y = tensors[op.inputs[0]], tensors[op.output]
    if not admits(op, y):
        return []
    words = row_pair_words(in_tile_order(op.weights))
    row_pairs, pairs, _ = words.shape
    record = 4 * dense_record_words(pairs)
    fitting: list[tuple[int, Tiling, int]] = []
    for most_rows in (BAND_ROWS, 4, 2, 1):
        tiles = tiling(op, y, pairs, op.weights.size, most_rows)
        fixed = 4 * (STREAM_SPARE_WORDS + DENSE_TILE_SPARE_WORDS) + tiles.scratch_bytes
        if limit >= fixed + record:
            group = balanced_groups(row_pairs, (limit - fixed) // record)
            fitting.append((-(-row_pairs // group) * tiles.cells, tiles, fixed))
    if not fitting:
        return []
    # Each group of row pairs widens the whole image; low bands widen rows twice, but leave room for large groups.
    _, tiles, fixed = min(fitting, key=lambda item: item[0])
    if tiles.band_rows:
        words = words.reshape(row_pairs, *tiles.kernel, -1, 4).swapaxes(2, 3)  # (ky, pair, kx)
    group = balanced_groups(row_pairs, (limit - fixed) // record)
    r = op.requantization
    fields: dict[str, FieldValue] = {
        **window_fields(op, op.weights.shape[1:3], x, y),
        "pairs": pairs, "row_pairs": row_pairs, "group_rows": group,
        "band_rows": tiles.band_rows, "tile_words": tiles.words,
        "weights": Constant(np.ascontiguousarray(words).reshape(-1)),
        "channels": Constant(pair_channels(op, row_pair_outputs(len(op.weights)), r.shift)),
        "weight_shift": r.shift, "zero_point": r.zero_point, "low": r.low, "high": r.high,
    }  # fmt: skip
    call = Call(f"conv_dense{tiles.suffix}", "tf_conv_dense_params", fields)
    return [Implementation("conv_dense", _sources(tiles), (call,), fixed + group * record, encoding="dense")]


KERNEL = Kernel("conv_dense", (ir.Conv2D, ir.Linear), _pack)
