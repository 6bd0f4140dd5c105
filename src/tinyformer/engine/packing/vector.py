# SPDX-License-Identifier: Apache-2.0
"""Packing for ``tf_linear_vector``: linear layers of a few rows, such as classifiers."""

from __future__ import annotations

from collections.abc import Mapping

from tinyformer.engine.packing.description import Call, Constant, FieldValue, Implementation, Kernel
from tinyformer.engine.packing.kernel_files import assembled
from tinyformer.engine.packing.portable import linear_as_convolution
from tinyformer.engine.packing.row_pairs import TILE_PIXELS, pair_channels, row_pair_outputs, row_pair_words
from tinyformer.ir import graph as ir
from tinyformer.ir.graph import Op, Tensor

SOURCES = ("tf_linear_vector.c", *assembled("multiply_vector"), "tf_clamp_bytes.c")


def _pack(op: Op, tensors: Mapping[str, Tensor], limit: int) -> list[Implementation]:
    if isinstance(op, ir.Linear):
        op, tensors = linear_as_convolution(op, tensors)
    assert isinstance(op, ir.Conv2D)
    x, y = tensors[op.inputs[0]], tensors[op.output]
    outputs, inputs = len(op.weights), x.shape[-1]
    rows = y.size // outputs
    pointwise = op.weights.shape[1:] == (1, 1, inputs) and x.size // inputs == rows and not any(op.padding)
    scratch = 8 * -(-inputs // 4)
    if not pointwise or rows >= TILE_PIXELS or outputs < 2 or scratch > limit:
        return []
    r = op.requantization
    fields: dict[str, FieldValue] = {
        "rows": rows, "inputs": inputs, "outputs": outputs,
        "weights": Constant(row_pair_words(op.weights).reshape(-1)),
        "channels": Constant(pair_channels(op, row_pair_outputs(outputs), bias_shift=0)),
        "shift": r.shift, "zero_point": r.zero_point, "low": r.low, "high": r.high,
    }  # fmt: skip
    call = Call("linear_vector", "tf_linear_vector_params", fields)
    return [Implementation("linear_vector", SOURCES, (call,), scratch, encoding="dense")]


KERNEL = Kernel("linear_vector", (ir.Conv2D, ir.Linear), _pack)
