# SPDX-License-Identifier: Apache-2.0
"""Layers with weights, and products of activations.

Sums of products run in floating point wherever that is exact, because BLAS is fast only there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir.base import (
    Int8Array,
    Int32Array,
    Op,
    Requantization,
    Shape,
    Tensor,
)
from tinyformer.ir.windows import output_size, padded_image, tap_slices


@dataclass(frozen=True)
class Conv2D(Op):
    """Convolution (1, H, W, I) -> (1, H', W', O) with ``weights`` (O, KH, KW, I / groups) and ``bias`` (O,).

    The bias already holds ``-zero_point(x) * sum(weights)``; cells outside the image read as ``pad_value`` (the input's
    zero point). ``padding`` is (top, bottom, left, right).
    """

    weights: Int8Array
    bias: Int32Array
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int
    pad_value: int
    requantization: Requantization

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        return _window_shape(inputs[0], self.weights.shape[1:3], self, len(self.weights))

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        (x,) = inputs
        kernel = self.weights.shape[1:3]
        padded = padded_image(x, self.padding, self.pad_value)
        taps = tap_slices(kernel, self.stride, self.dilation, output.shape[1:3])
        outputs, depth = self.weights.shape[0] // self.groups, self.weights.shape[3]
        parts = []
        for g in range(self.groups):
            channels = slice(g * depth, (g + 1) * depth)
            columns = np.concatenate([padded[:, 0, rows, cols, channels] for rows, cols in taps], axis=-1)
            weights = self.weights[g * outputs : (g + 1) * outputs].reshape(outputs, -1)
            parts.append(exact_matmul(columns, weights.T))
        return self.requantization.apply(_plus(np.concatenate(parts, axis=-1), self.bias))


@dataclass(frozen=True)
class DepthwiseConv2D(Op):
    """Depthwise convolution (1, H, W, C) -> (1, H', W', C) with ``weights`` (KH, KW, C); else as :class:`Conv2D`."""

    weights: Int8Array
    bias: Int32Array
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    pad_value: int
    requantization: Requantization

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        return _window_shape(inputs[0], self.weights.shape[:2], self, self.weights.shape[2])

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        (x,) = inputs
        kernel = self.weights.shape[:2]
        padded = padded_image(x, self.padding, self.pad_value)[:, 0]
        acc = np.broadcast_to(self.bias.astype(np.int32), (len(x), *output.shape[1:])).copy()
        taps = tap_slices(kernel, self.stride, self.dilation, output.shape[1:3])
        for (rows, cols), weights in zip(taps, self.weights.reshape(-1, self.weights.shape[2]), strict=True):
            acc += padded[:, rows, cols].astype(np.int32) * weights.astype(np.int32)
        return self.requantization.apply(acc)


@dataclass(frozen=True)
class Linear(Op):
    """Rows times constant matrix, (..., I) -> (..., O), with ``weights`` (O, I) and folded ``bias`` (O,)."""

    weights: Int8Array
    bias: Int32Array
    requantization: Requantization

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        return (*inputs[0][:-1], len(self.weights))

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        (x,) = inputs
        return self.requantization.apply(_plus(exact_matmul(x, self.weights.T), self.bias))


@dataclass(frozen=True)
class BatchMatMul(Op):
    """Product of two activations: for each batch b, (m x k) times (k x n).

    Operands and result are addressed by element strides (batch, row, column) into their tensors, so that head splits,
    merges and transposes cost nothing: ``a[b, i, p]`` is element ``b * a_strides[0] + i * a_strides[1] + p *
    a_strides[2]`` of input 0, ``b[b, p, j]`` likewise of input 1 and ``y[b, i, j]`` of the output.
    """

    batch: int
    m: int
    k: int
    n: int
    a_strides: tuple[int, int, int]
    b_strides: tuple[int, int, int]
    y_strides: tuple[int, int, int]
    a_zero_point: int
    b_zero_point: int
    requantization: Requantization

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        return None

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        a, b = inputs
        left = _gather(a, (self.batch, self.m, self.k), self.a_strides).astype(np.int16) - self.a_zero_point
        right = _gather(b, (self.batch, self.k, self.n), self.b_strides).astype(np.int16) - self.b_zero_point
        y = self.requantization.apply(exact_matmul(left, right))
        flat = np.empty((len(a), output.size), np.int8)
        flat[:, _offsets((self.batch, self.m, self.n), self.y_strides)] = y
        return flat


def exact_matmul(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Integer matrix product by BLAS, exact: in float32 while sums stay below 2**24, else in float64 (below 2**53)."""
    largest = [int(max(-int(v.min(initial=0)), int(v.max(initial=0)))) for v in (a, b)]
    dtype = np.float32 if a.shape[-1] * largest[0] * largest[1] < 2**24 else np.float64
    product: NDArray[Any] = a.astype(dtype) @ b.astype(dtype)
    return product


def _plus(acc: NDArray[Any], bias: Int32Array) -> NDArray[Any]:
    return acc.astype(np.int64) + bias


def _offsets(shape: tuple[int, int, int], strides: tuple[int, int, int]) -> NDArray[np.intp]:
    """Element offset of every (batch, row, column)."""
    parts = [np.arange(size) * stride for size, stride in zip(shape, strides, strict=True)]
    return parts[0][:, None, None] + parts[1][:, None] + parts[2]


def _gather(x: Int8Array, shape: tuple[int, int, int], strides: tuple[int, int, int]) -> Int8Array:
    return x.reshape(len(x), -1)[:, _offsets(shape, strides)]


def _window_shape(image: Shape, kernel: Shape, op: Conv2D | DepthwiseConv2D, channels: int) -> Shape:
    top, bottom, left, right = op.padding
    return (
        1,
        output_size(image[1], kernel[0], op.stride[0], top + bottom, op.dilation[0]),
        output_size(image[2], kernel[1], op.stride[1], left + right, op.dilation[1]),
        channels,
    )
