"""Packing for ``tf_conv_dense``: convolutions of any kernel size, 1x1 and linear layers included."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tinyformer.engine.packing.description import Call, Constant, FieldValue, Implementation, Kernel
from tinyformer.engine.packing.portable import linear_as_convolution, window_fields
from tinyformer.engine.packing.rows import (
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
    rows = tuple(f"tf_dense_rows{tiles.suffix}.{suffix}" for suffix in ("c", "S"))
    common = ("tf_conv_dense_by.c", "tf_widen_words.c", "tf_widen_words.S")
    return (f"tf_conv_dense{tiles.suffix}.c", *common, *rows, *tiles.sources)


def _pack(op: Op, tensors: Mapping[str, Tensor], limit: int) -> list[Implementation]:
    if isinstance(op, ir.Linear):
        op, tensors = linear_as_convolution(op, tensors)
    assert isinstance(op, ir.Conv2D)
    x, y = tensors[op.inputs[0]], tensors[op.output]
    if not admits(op, y):
        return []
    words = row_pair_words(in_tile_order(op.weights))
    row_pairs, pairs, _ = words.shape
    record = 4 * (2 * pairs + 5)
    for most_rows in (BAND_ROWS, 1):
        tiles = tiling(op, y, pairs, op.weights.size, most_rows)
        fixed = 4 * (4 + 1) + tiles.scratch_bytes  # four words after the stream, one after the tile (tf_rows.h)
        if limit >= fixed + record:
            break
    else:
        return []
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
