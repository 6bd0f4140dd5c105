# SPDX-License-Identifier: Apache-2.0
"""Rows of its inputs that an operator needs for some rows of its output, and the operator on just these rows.

A *row* is an index of the axis before the columns: a row of pixels of an image (1, H, W, C), a token of a matrix
(..., T, C). Ranges are half open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from tinyformer.ir.graph import (
    AveragePool2D,
    BatchMatMul,
    Conv2D,
    DepthwiseConv2D,
    Elementwise,
    Linear,
    MaxPool2D,
    Op,
    Reshape,
    Rowwise,
    Tensor,
)

Window: TypeAlias = Conv2D | DepthwiseConv2D | AveragePool2D | MaxPool2D


@dataclass(frozen=True)
class Rows:
    """Rows ``begin`` to ``end`` of a tensor."""

    begin: int
    end: int

    @property
    def count(self) -> int:
        """How many."""
        return self.end - self.begin

    def union(self, other: Rows | None) -> Rows:
        """The smallest range that holds both."""
        return self if other is None else Rows(min(self.begin, other.begin), max(self.end, other.end))


def row_axis(shape: tuple[int, ...]) -> int:
    """The axis whose indices are rows."""
    return 1 if len(shape) == 4 and shape[0] == 1 else max(len(shape) - 2, 0)


def row_count(shape: tuple[int, ...]) -> int:
    """Number of rows."""
    return shape[row_axis(shape)]


def in_one_piece(shape: tuple[int, ...]) -> bool:
    """Whether neighbouring rows are neighbours in memory."""
    return math.prod(shape[: row_axis(shape)]) == 1


def with_rows(shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    """``shape`` with ``count`` rows."""
    axis = row_axis(shape)
    return (*shape[:axis], count, *shape[axis + 1 :])


def input_rows(op: Op, rows: Rows, tensors: Mapping[str, Tensor]) -> list[Rows | None] | None:
    """Rows of each input that ``op`` needs for ``rows`` of its output; None for an input needed as a whole.

    Returns None where ``op`` does not work by rows.
    """
    x, y = (tensors[name].shape for name in (op.inputs[0] if op.inputs else op.output, op.output))
    match op:
        case Conv2D() | DepthwiseConv2D() | AveragePool2D() | MaxPool2D():
            begin, end = _window_rows(op, rows)
            return [Rows(max(begin, 0), min(end, x[1]))]
        case Elementwise():
            return _elementwise_rows([tensors[name] for name in op.inputs], y, rows)
        case Linear() | Rowwise():
            return [rows] if len(x) > 1 else None
        case Reshape():
            return _reshaped_rows(x, y, rows)
        case BatchMatMul():
            fits = _is_by_rows(x, op.a_strides, op.m) and _is_by_rows(y, op.y_strides, op.m)
            return [rows, None] if fits else None
        case _:
            return None


def restricted(op: Op, rows: Rows, tensors: Mapping[str, Tensor]) -> Op:
    """``op`` on nothing but the rows that :func:`input_rows` names; inputs and output keep their names."""
    match op:
        case Conv2D() | DepthwiseConv2D() | AveragePool2D() | MaxPool2D():
            begin, end = _window_rows(op, rows)
            height = tensors[op.inputs[0]].shape[1]
            padding = (max(-begin, 0), max(end - height, 0), *op.padding[2:])
            return replace(op, padding=padding)
        case BatchMatMul():
            return replace(
                op,
                m=rows.count,
                a_strides=_strides_of_rows(tensors[op.inputs[0]].shape, op.a_strides, rows.count),
                y_strides=_strides_of_rows(tensors[op.output].shape, op.y_strides, rows.count),
            )
        case _:
            return op


def _window_rows(op: Window, rows: Rows) -> tuple[int, int]:
    """Rows of the input under the windows, those outside the image included."""
    kernel, dilation = (op.kernel[0], 1) if isinstance(op, AveragePool2D | MaxPool2D) else (_height(op), op.dilation[0])
    begin = rows.begin * op.stride[0] - op.padding[0]
    end = (rows.end - 1) * op.stride[0] - op.padding[0] + (kernel - 1) * dilation + 1
    return begin, end


def _height(op: Conv2D | DepthwiseConv2D) -> int:
    return int(op.weights.shape[1] if isinstance(op, Conv2D) else op.weights.shape[0])


def _elementwise_rows(inputs: list[Tensor], y: tuple[int, ...], rows: Rows) -> list[Rows | None] | None:
    if all(x.shape == y or x.size == y[-1] for x in inputs):
        return [rows if x.shape == y else None for x in inputs]
    return None


def _reshaped_rows(x: tuple[int, ...], y: tuple[int, ...], rows: Rows) -> list[Rows | None] | None:
    if not in_one_piece(x) or not in_one_piece(y):
        return None
    row_x, row_y = math.prod(x) // row_count(x), math.prod(y) // row_count(y)
    begin, end = rows.begin * row_y, rows.end * row_y
    return [Rows(begin // row_x, end // row_x)] if begin % row_x == end % row_x == 0 else None


def _is_by_rows(shape: tuple[int, ...], strides: tuple[int, int, int], m: int) -> bool:
    """Whether the matrix's row index is the tensor's: (..., m, C), the batch in the columns or in leading axes."""
    if len(shape) < 2 or shape[-2] != m or strides[1] != shape[-1]:
        return False
    leading = math.prod(shape[:-2])
    return leading == 1 or strides[0] == m * shape[-1]


def _strides_of_rows(shape: tuple[int, ...], strides: tuple[int, int, int], count: int) -> tuple[int, int, int]:
    leading = math.prod(shape[:-2])
    return strides if leading == 1 else (count * shape[-1], strides[1], strides[2])
