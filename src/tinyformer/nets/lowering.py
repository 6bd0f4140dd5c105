# SPDX-License-Identifier: Apache-2.0
"""From a sub-network's description straight to its integer graph: nothing is trained, exported or imported.

The graph has the operators, order, shapes and layouts of the imported ``model.onnx`` of the same description; weights,
scales and tables are zero. Cost estimation needs no more than that, and needs it in less than two milliseconds.
"""

from __future__ import annotations

import numpy as np

from tinyformer.ir.graph import (
    Add,
    AveragePool2D,
    BatchMatMul,
    Conv2D,
    DepthwiseConv2D,
    Graph,
    LayerNorm,
    Linear,
    Lut,
    MaxPool2D,
    Op,
    Requantization,
    Reshape,
    Softmax,
    Tensor,
)
from tinyformer.nets.kinds.base import Feature
from tinyformer.nets.spec import Activation, SubnetSpec

_TABLE = np.zeros(256, np.int8)
_EXPONENTIALS = np.zeros(256, np.uint32)
_FUSED: frozenset[Activation] = frozenset({"relu", "relu6"})
"""Activations that are the clamp of the preceding requantization; the others become tables."""


def lower(spec: SubnetSpec) -> Graph:
    """The integer graph of ``spec`` with zero weights; operators with weights bear their layer's name."""
    builder = _GraphBuilder(spec)
    spec.build(builder, builder.input)
    return builder.graph


class _GraphBuilder:
    """Appends operators whose constants are zero; features are named as their tensors."""

    def __init__(self, spec: SubnetSpec) -> None:
        self.graph = Graph("model", "input", ())
        self.input = self._image("input", spec.channels, spec.image_size)
        self._activation = spec.activation

    def conv(
        self, name: str, x: Feature, outputs: int, kernel: int, stride: int = 1, *, activation: bool = True
    ) -> Feature:
        weights = np.zeros((outputs, kernel, kernel, x.channels), np.int8)
        size, padding = _same_padding(x.size, kernel, stride)
        y = self._image(name, outputs, size)
        self._append(Conv2D(
            name, (x.name,), name, weights, _bias(outputs), (stride, stride), padding, (1, 1), 1, 0,
            _requantization(outputs),
        ))  # fmt: skip
        return self._activated(y, activation)

    def depthwise(self, name: str, x: Feature, kernel: int, stride: int = 1, *, activation: bool = True) -> Feature:
        size, padding = _same_padding(x.size, kernel, stride)
        y = self._image(name, x.channels, size)
        self._append(DepthwiseConv2D(
            name, (x.name,), name, np.zeros((kernel, kernel, x.channels), np.int8), _bias(x.channels),
            (stride, stride), padding, (1, 1), 0, _requantization(x.channels),
        ))  # fmt: skip
        return self._activated(y, activation)

    def add(self, name: str, a: Feature, b: Feature, *, activation: bool = False) -> Feature:
        self._append(Add(name, (a.name, b.name), name, 0, 0, 0, 0, -128, 127))
        return self._activated(self._like(a, name, a.channels), activation)

    def max_pool(self, name: str, x: Feature, size: int) -> Feature:
        window = (size, size)
        self._append(MaxPool2D(name, (x.name,), name, window, window, (0, 0, 0, 0)))
        return self._image(name, x.channels, x.size // size)

    def tokens(self, prefix: str, x: Feature) -> Feature:
        return self._reshape(f"{prefix}.tokens", x, (1, x.size * x.size, x.channels))

    def image(self, prefix: str, x: Feature) -> Feature:
        return self._reshape(f"{prefix}.image", x, (1, x.size, x.size, x.channels))

    def pool_tokens(self, layer: str, x: Feature, pool: int) -> Feature:
        pooled = self._average_pool(f"{layer}.pool", self.image(layer, x), pool)
        return self._reshape(f"{layer}.pooled", pooled, (1, pooled.size * pooled.size, pooled.channels))

    def layer_norm(self, name: str, x: Feature) -> Feature:
        self._append(LayerNorm(name, (x.name,), name, np.zeros(x.channels, np.int16), _bias(x.channels), 1, 0, 0))
        return self._like(x, name, x.channels)

    def linear(self, name: str, x: Feature, outputs: int, scale: float = 1.0) -> Feature:
        weights = np.zeros((outputs, x.channels), np.int8)
        self._append(Linear(name, (x.name,), name, weights, _bias(outputs), _requantization(outputs)))
        return self._like(x, name, outputs)

    def gelu(self, name: str, x: Feature) -> Feature:
        self._append(Lut(name, (x.name,), name, _TABLE))
        return self._like(x, name, x.channels)

    def split_heads(self, name: str, x: Feature, heads: int, *, keys: bool = False) -> Feature:
        """Nothing: heads are strides, so splitting and merging them is no operator."""
        return x

    def attend(self, layer: str, q: Feature, k: Feature, v: Feature, heads: int) -> Feature:
        inner, tokens, keys = q.channels, q.size * q.size, k.size * k.size
        head = inner // heads
        by_head = (tokens * keys, keys, 1)
        scores = self._matmul(
            f"{layer}.scores", q.name, k.name, shape=(1, heads, tokens, keys), sizes=(heads, tokens, head, keys),
            a_strides=(head, inner, 1), b_strides=(head, 1, inner), y_strides=by_head,
        )  # fmt: skip
        weights = f"{layer}.softmax"
        self._append(Softmax(weights, (scores,), weights, _EXPONENTIALS, 8, 0, 0))
        self._tensor(weights, (1, heads, tokens, keys))
        context = self._matmul(
            f"{layer}.context", weights, v.name, shape=(1, tokens, inner), sizes=(heads, tokens, keys, head),
            a_strides=by_head, b_strides=(head, inner, 1), y_strides=(head, inner, 1),
        )  # fmt: skip
        return Feature(context, inner, q.size)

    def classify(self, x: Feature, classes: int) -> None:
        pooled = self._average_pool("pool", x, x.size)
        flat = self._reshape("flatten", pooled, (1, pooled.channels))
        self.graph.outputs = (self.linear("classifier", flat, classes).name,)

    def _average_pool(self, name: str, x: Feature, size: int) -> Feature:
        kernel = (size, size)
        self._append(AveragePool2D(name, (x.name,), name, kernel, kernel, (0, 0, 0, 0), 0, _requantization(1)))
        return self._image(name, x.channels, x.size // size)

    def _matmul(
        self, name: str, a: str, b: str, *, shape: tuple[int, ...], sizes: tuple[int, int, int, int],
        a_strides: tuple[int, int, int], b_strides: tuple[int, int, int], y_strides: tuple[int, int, int],
    ) -> str:  # fmt: skip
        batch, m, k, n = sizes
        if batch == 1:  # a stride that is never taken
            a_strides, b_strides, y_strides = ((0, row, column) for _, row, column in (a_strides, b_strides, y_strides))
        self._append(BatchMatMul(
            name, (a, b), name, batch, m, k, n, a_strides, b_strides, y_strides, 0, 0, _requantization(1),
        ))  # fmt: skip
        self._tensor(name, shape)
        return name

    def _reshape(self, name: str, x: Feature, shape: tuple[int, ...]) -> Feature:
        """``x`` under another shape; a reshape that has just been made, and is undone here, disappears."""
        last = self.graph.ops[-1]
        if isinstance(last, Reshape) and self.graph.tensors[last.inputs[0]].shape == shape:
            del self.graph.tensors[self.graph.ops.pop().output]
            return Feature(last.inputs[0], x.channels, x.size)
        self._append(Reshape(name, (x.name,), name))
        self._tensor(name, shape)
        return Feature(name, x.channels, x.size)

    def _activated(self, y: Feature, activation: bool) -> Feature:
        if not activation or self._activation in _FUSED:
            return y
        name = f"{y.name}.activation"
        self._append(Lut(name, (y.name,), name, _TABLE))
        return self._like(y, name, y.channels)

    def _append(self, op: Op) -> None:
        self.graph.ops.append(op)

    def _image(self, name: str, channels: int, size: int) -> Feature:
        self._tensor(name, (1, size, size, channels))
        return Feature(name, channels, size)

    def _like(self, x: Feature, name: str, channels: int) -> Feature:
        """A new tensor of the layout of ``x``."""
        self._tensor(name, (*self.graph.tensors[x.name].shape[:-1], channels))
        return Feature(name, channels, x.size)

    def _tensor(self, name: str, shape: tuple[int, ...]) -> None:
        self.graph.tensors[name] = Tensor(name, shape, 1.0, 0)


def _bias(width: int) -> np.ndarray:
    return np.zeros(width, np.int32)


def _requantization(width: int) -> Requantization:
    return Requantization(np.zeros(width, np.int32), 0, 0)


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, tuple[int, int, int, int]]:
    """Output size and (top, bottom, left, right) of a convolution padded by ``kernel // 2`` on all sides."""
    pad = kernel // 2
    return (size + 2 * pad - kernel) // stride + 1, (pad, pad, pad, pad)
