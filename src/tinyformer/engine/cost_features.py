"""What the cycles of a kernel depend on: a handful of counts for each operator.

A kernel's cycles are modelled as a sum of these counts, each times a constant of that kernel (:mod:`.cost_table`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinyformer.engine.packing import Constant, Implementation
from tinyformer.engine.packing.sparse import stream_words
from tinyformer.engine.sparse_sizes import stream_passes
from tinyformer.ir import graph as ir

Features = dict[str, float]


def kernel_key(op: ir.Op, kernel: str, encoding: str) -> str:
    """What is measured separately: a kernel with its encoding, such as ``Conv2D conv_sparse sparse 2x2``.

    The operator comes first; linear layers are convolutions to all kernels.
    """
    operator = "Conv2D" if isinstance(op, ir.Linear) else type(op).__name__
    return f"{operator} {kernel} {encoding}".strip()


def features(op: ir.Op, tensors: Mapping[str, ir.Tensor], stored_weights: int = 0, passes: int = 1) -> Features:
    """Counts of ``op`` by name.

    For convolutions and linear layers, ``stored_weights`` are those that the encoding keeps, and ``passes`` how often
    the kernel goes through its input.
    """
    x, y = tensors[op.inputs[0]].shape, tensors[op.output].shape
    outputs = math.prod(y)
    match op:
        case ir.Conv2D() | ir.Linear():
            positions = outputs // len(op.weights)
            visits = positions * passes
            taps = math.prod(op.weights.shape[1:-1])
            return {
                "call": 1,
                "rows": len(op.weights),
                "outputs": outputs,
                "weights": stored_weights,
                "products": positions * stored_weights,
                "visits": visits,
                "taps": visits * taps,
                "gathered": visits * taps * op.weights.shape[-1],
            }
        case ir.DepthwiseConv2D():
            height, width, channels = op.weights.shape
            return {
                "call": 1,
                "channels": channels,
                "inputs": math.prod(x),
                "outputs": outputs,
                "products": outputs * height * width,
                "lines": channels * y[1],
            }
        case ir.BatchMatMul():
            return {
                "call": 1,
                "batches": op.batch,
                "left": op.batch * op.m * op.k,
                "right": op.batch * op.k * op.n,
                "outputs": outputs,
                "products": outputs * op.k,
            }
        case ir.AveragePool2D() | ir.MaxPool2D():
            cells = op.kernel[0] * op.kernel[1]
            return {"call": 1, "positions": outputs // y[-1], "outputs": outputs, "cells": outputs * cells}
        case _:
            return {"call": 1, "rows": outputs // y[-1], "outputs": outputs}


def measured_features(op: ir.Op, tensors: Mapping[str, ir.Tensor], choice: Implementation) -> Features:
    """:func:`features` of ``op`` as ``choice`` runs it, with the weights that it stores."""
    if not isinstance(op, ir.Conv2D | ir.Linear):
        return features(op, tensors)
    fields = choice.calls[0].fields

    def field(name: str) -> int:
        value = fields.get(name, 1)
        assert isinstance(value, int)
        return value

    if choice.encoding.startswith("sparse"):
        weights = fields["weights"]
        assert isinstance(weights, Constant)
        stored = weights.values.size
        wanted = stream_words(field("block_rows") * field("block_row_pairs"), stored // 4)
        return features(op, tensors, stored, stream_passes(wanted, field("stream_words")))
    return features(op, tensors, op.weights.size, -(-field("row_pairs") // field("group_rows")))
