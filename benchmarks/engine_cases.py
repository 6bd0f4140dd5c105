# SPDX-License-Identifier: Apache-2.0
"""Single operators and a network with made-up constants, as ``bench_engine.py`` measures them."""

from __future__ import annotations

import numpy as np

from tinyformer.engine.costs.synthetic import fill
from tinyformer.ir import graph as ir
from tinyformer.nets.spec import (
    ConvBlock,
    InvertedResidual,
    LayerSparsity,
    StageSpec,
    SubnetSpec,
    TransformerBlock,
)

_UNSET = ir.Requantization(np.zeros(1, np.int32), 0, 0)
_PAIR = (1, 1)


def _graph(op: ir.Op, shapes: dict[str, tuple[int, ...]], sparsity: LayerSparsity | None = None) -> ir.Graph:
    """A graph of ``op`` alone, with random constants; tensors that it reads besides ``x`` are parts of its input."""
    tensors = {name: ir.Tensor(name, shape, 1 / 16, 0) for name, shape in shapes.items()}
    graph = ir.Graph("bench", op.inputs[0], (op.output,), tensors, [op])
    graph.ops[0] = fill(op, graph, sparsity, np.random.default_rng(2026))
    return graph


def conv(
    size: int, inputs: int, outputs: int, kernel: int = 1, sparsity: LayerSparsity | None = None, groups: int = 1
) -> ir.Graph:
    """``kernel`` x ``kernel`` convolution of stride 1 on a square image, same padding."""
    edge = kernel // 2
    weights = np.zeros((outputs, kernel, kernel, inputs // groups), np.int8)
    op = ir.Conv2D(
        "conv", ("x",), "y", weights, np.zeros(outputs, np.int32),
        stride=_PAIR, padding=(edge,) * 4, dilation=_PAIR, groups=groups, pad_value=0, requantization=_UNSET,
    )  # fmt: skip
    return _graph(op, {"x": (1, size, size, inputs), "y": (1, size, size, outputs)}, sparsity)


def depthwise(size: int, channels: int, kernel: int = 3, stride: int = 1, width: int | None = None) -> ir.Graph:
    """Depthwise convolution on a square image, same padding; ``width`` of the filter if it is not its height."""
    across = kernel if width is None else width
    edges = (kernel // 2,) * 2 + (across // 2,) * 2
    out = -(-size // stride)
    op = ir.DepthwiseConv2D(
        "depthwise", ("x",), "y", np.zeros((kernel, across, channels), np.int8), np.zeros(channels, np.int32),
        stride=(stride, stride), padding=edges, dilation=_PAIR, pad_value=0, requantization=_UNSET,
    )  # fmt: skip
    return _graph(op, {"x": (1, size, size, channels), "y": (1, out, out, channels)})


def linear(rows: int, inputs: int, outputs: int, sparsity: LayerSparsity | None = None) -> ir.Graph:
    """Tokens times a constant matrix."""
    op = ir.Linear(
        "linear", ("x",), "y", np.zeros((outputs, inputs), np.int8), np.zeros(outputs, np.int32), requantization=_UNSET
    )
    return _graph(op, {"x": (1, rows, inputs), "y": (1, rows, outputs)}, sparsity)


def matmul(m: int, k: int, n: int, transposed: bool) -> ir.Graph:
    """Product of two halves of the input, (m x k) and (k x n), the second one stored (n x k) if ``transposed``."""
    tensors = {
        name: ir.Tensor(name, shape, 1 / 16, 0)
        for name, shape in {"x": (1, m * k + k * n), "a": (1, m * k), "b": (1, k * n), "y": (1, m, n)}.items()
    }
    product = ir.BatchMatMul(
        "matmul", ("a", "b"), "y", batch=1, m=m, k=k, n=n,
        a_strides=(0, k, 1), b_strides=(0, 1, k) if transposed else (0, n, 1), y_strides=(0, n, 1),
        a_zero_point=3, b_zero_point=-5, requantization=_UNSET,
    )  # fmt: skip
    graph = ir.Graph("bench", "x", ("y",), tensors, [
        ir.Slice("first", ("x",), "a", 1, 0, m * k),
        ir.Slice("second", ("x",), "b", 1, m * k, m * k + k * n),
        product,
    ])  # fmt: skip
    graph.ops[2] = fill(product, graph, None, np.random.default_rng(2026))
    return graph


def softmax(rows: int, columns: int) -> ir.Graph:
    """Softmax over the last axis."""
    op = ir.Softmax("softmax", ("x",), "y", np.zeros(256, np.uint32), 8, 0, -128)
    return _graph(op, {"x": (1, rows, columns), "y": (1, rows, columns)})


def layer_norm(rows: int, columns: int) -> ir.Graph:
    """LayerNorm over the last axis."""
    op = ir.LayerNorm("norm", ("x",), "y", np.zeros(columns, np.int16), np.zeros(columns, np.int32), 1, 0, 1)
    return _graph(op, {"x": (1, rows, columns), "y": (1, rows, columns)})


def lut(count: int) -> ir.Graph:
    """A unary function by table."""
    return _graph(ir.Lut("gelu", ("x",), "y", np.zeros(256, np.int8)), {"x": (1, count), "y": (1, count)})


def add(count: int) -> ir.Graph:
    """Sum of the two halves of the input."""
    tensors = {name: ir.Tensor(name, (1, size), 1 / 16, 0) for name, size in
               {"x": 2 * count, "a": count, "b": count, "y": count}.items()}  # fmt: skip
    graph = ir.Graph("bench", "x", ("y",), tensors, [
        ir.Slice("first", ("x",), "a", 1, 0, count),
        ir.Slice("second", ("x",), "b", 1, count, 2 * count),
        ir.Add("add", ("a", "b"), "y", 1, 1, 0, 0, -128, 127),
    ])  # fmt: skip
    graph.ops[2] = fill(graph.ops[2], graph, None, np.random.default_rng(2026))
    return graph


CIFAR_20M = SubnetSpec(
    image_size=32, channels=3, classes=10, activation="relu6", stem_width=24, stem_kernel=3, stem_stride=1,
    stages=(
        StageSpec(32, 2, (InvertedResidual(3, 4), InvertedResidual(3, 4))),
        StageSpec(64, 2, (ConvBlock(3), InvertedResidual(3, 4), InvertedResidual(5, 4))),
        StageSpec(96, 1, (InvertedResidual(3, 4), TransformerBlock(1, 4, 24, 2.0, 1))),
    ),
    head_width=192,
)  # fmt: skip
"""A convolution and transformer network for CIFAR-10 of about 20M multiply-accumulates."""
