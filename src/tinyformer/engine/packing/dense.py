"""Packing for ``tf_conv_dense``: convolutions of any kernel size, 1x1 and linear layers included."""

from __future__ import annotations

from collections.abc import Mapping

from tinyformer.engine.packing.description import Call, Constant, FieldValue, Implementation, Kernel
from tinyformer.engine.packing.portable import linear_as_convolution, window_fields
from tinyformer.engine.packing.rows import (
    admits,
    balanced_groups,
    gather_bytes,
    pair_channels,
    row_pair_outputs,
    row_pair_words,
)
from tinyformer.ir import graph as ir
from tinyformer.ir.graph import Op, Tensor

SOURCES = (
    "tf_conv_dense.c",
    "tf_multiply_tiles.c",
    "tf_gather_tile.c",
    "tf_widen_tile.c",
    "tf_widen_tile.S",
    "tf_dense_rows.c",
    "tf_dense_rows.S",
    "tf_clamp_bytes.c",
)


def _pack(op: Op, tensors: Mapping[str, Tensor], limit: int) -> list[Implementation]:
    if isinstance(op, ir.Linear):
        op, tensors = linear_as_convolution(op, tensors)
    assert isinstance(op, ir.Conv2D)
    x, y = tensors[op.inputs[0]], tensors[op.output]
    if not admits(op, y):
        return []
    words = row_pair_words(op.weights)
    row_pairs, pairs, _ = words.shape
    record = 4 * (2 * pairs + 5)
    fixed = 4 * 4 + gather_bytes(x.shape[-1], pairs)
    if limit < fixed + record:
        return []
    group = balanced_groups(row_pairs, (limit - fixed) // record)
    r = op.requantization
    fields: dict[str, FieldValue] = {
        **window_fields(op, op.weights.shape[1:3], x, y),
        "pairs": pairs, "row_pairs": row_pairs, "group_rows": group,
        "weights": Constant(words.reshape(-1)),
        "channels": Constant(pair_channels(op, row_pair_outputs(len(op.weights)), r.shift)),
        "weight_shift": r.shift, "zero_point": r.zero_point, "low": r.low, "high": r.high,
    }  # fmt: skip
    call = Call("conv_dense", "tf_conv_dense_params", fields)
    return [Implementation("conv_dense", SOURCES, (call,), fixed + group * record, encoding="dense")]


KERNEL = Kernel("conv_dense", (ir.Conv2D, ir.Linear), _pack)
