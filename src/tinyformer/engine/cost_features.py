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

_TILE = 4
"""Pixels or rows that the matrix kernels compute at a time, and inputs that they widen at a time."""


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
            positions = _tiled(outputs // len(op.weights))
            return {
                "call": 1,
                "rows": len(op.weights),
                "outputs": positions * len(op.weights),
                "weights": stored_weights,
                "products": positions * stored_weights,
                **_gathering(op, positions * passes),
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
            rows, right = op.batch * _tiled(op.m), op.batch * op.k * op.n
            return {
                "call": 1,
                "columns": op.batch * op.n,
                "right": right if op.b_strides[1] == 1 else 0,
                "right_transposed": right if op.b_strides[1] != 1 else 0,
                "rows": rows,
                "left": rows * op.k,
                "outputs": rows * op.n,
                "products": rows * op.n * _tiled(op.k),
            }
        case ir.AveragePool2D() | ir.MaxPool2D():
            cells = op.kernel[0] * op.kernel[1]
            return {"call": 1, "positions": outputs // y[-1], "outputs": outputs, "cells": outputs * cells}
        case _:
            return {"call": 1, "rows": outputs // y[-1], "outputs": outputs}


def _gathering(op: ir.Conv2D | ir.Linear, visits: int) -> Features:
    """How inputs reach the tiles of ``visits`` pixels: as they lie, tap by tap or (odd channels) copied together."""
    taps, channels = math.prod(op.weights.shape[1:-1]), op.weights.shape[-1]
    if channels % _TILE:
        return {"visits": visits, "copied_taps": visits * taps, "copied": visits * taps * channels}
    return {"visits": visits, "taps": visits * taps if taps > 1 else 0, "gathered": visits * taps * channels}


def _tiled(count: int) -> int:
    """``count`` rounded up to whole tiles."""
    return -(-count // _TILE) * _TILE


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
