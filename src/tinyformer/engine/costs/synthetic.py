# SPDX-License-Identifier: Apache-2.0
"""Integer graphs of sub-networks with made-up constants: what can be compiled and timed before anything is trained.

Kernels take the same cycles for any values; only where the zero blocks lie matters, and that follows the sparsity plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir import arithmetic
from tinyformer.ir import graph as ir
from tinyformer.ir.blocks import from_blocks, to_blocks
from tinyformer.nets.lowering import lower
from tinyformer.nets.plan_counts import zero_blocks
from tinyformer.nets.spec import LayerSparsity, SparsityPlan, SubnetSpec

_SCALE = 1 / 16
"""Of every activation; the zero point is 0."""


def synthetic_graph(spec: SubnetSpec, plan: SparsityPlan, seed: int, name: str = "model") -> ir.Graph:
    """The graph of ``spec`` with random constants in the ranges of real ones and the zero blocks of ``plan``."""
    rng = np.random.default_rng(seed)
    graph = lower(spec)
    tensors = {key: replace(tensor, scale=_SCALE) for key, tensor in graph.tensors.items()}
    ops = [fill(op, graph, plan.get(op.name), rng) for op in graph.ops]
    return ir.Graph(name, graph.input, graph.outputs, tensors, ops)


def fill(op: ir.Op, graph: ir.Graph, sparsity: LayerSparsity | None, rng: np.random.Generator) -> ir.Op:
    """``op`` of a lowered ``graph`` with random constants; others are returned as they are."""
    fillers: dict[type, Callable[[Any], ir.Op]] = {
        ir.Conv2D: lambda op: _convolution(op, sparsity, rng),
        ir.Linear: lambda op: _convolution(op, sparsity, rng),
        ir.DepthwiseConv2D: lambda op: _depthwise(op, rng),
        ir.BatchMatMul: lambda op: replace(op, requantization=_requantization(1, op.k)),
        ir.Add: _add,
        ir.Lut: lambda op: replace(op, table=rng.integers(-128, 128, 256).astype(np.int8)),
        ir.Softmax: lambda op: _softmax(op, graph.tensors[op.output].shape[-1]),
        ir.LayerNorm: lambda op: _layer_norm(op, rng),
        ir.AveragePool2D: lambda op: replace(
            op, requantization=arithmetic.requantization(1 / (op.kernel[0] * op.kernel[1]), 0)
        ),
    }
    filler = fillers.get(type(op))
    return op if filler is None else filler(op)


def sparse_weights(
    shape: tuple[int, int, int], sparsity: LayerSparsity | None, rng: np.random.Generator
) -> NDArray[np.int8]:
    """Weights (O, taps, I) without accidental zeros; blocks chosen at random are zero as ``sparsity`` says.

    As in pruning, every block row keeps one block if enough are left.
    """
    outputs, taps, inputs = shape
    weights = rng.integers(1, 128, shape, np.int16) * rng.choice(np.array([-1, 1], np.int16), shape)
    if sparsity is None:
        int8: NDArray[np.int8] = weights.astype(np.int8)
        return int8
    blocks = to_blocks(weights.astype(np.int8), sparsity.block).copy()
    rows, count = len(blocks), blocks.shape[0] * blocks.shape[1] * blocks.shape[2]
    flat = blocks.reshape(rows, count // rows, *sparsity.block)
    lottery = rng.random((rows, count // rows))
    lottery[np.arange(rows), lottery.argmax(axis=1)] += 1
    gone = np.argsort(lottery, axis=None)[: zero_blocks((outputs, inputs, taps), sparsity)]
    flat.reshape(count, *sparsity.block)[gone] = 0
    return from_blocks(blocks, outputs, inputs)


def _convolution(op: ir.Conv2D | ir.Linear, sparsity: LayerSparsity | None, rng: np.random.Generator) -> ir.Op:
    shape = op.weights.shape
    weights = sparse_weights((shape[0], int(np.prod(shape[1:-1])), shape[-1]), sparsity, rng).reshape(shape)
    return replace(
        op,
        weights=weights,
        bias=rng.integers(-2000, 2000, (shape[0],)).astype(np.int32),
        requantization=_requantization(shape[0], weights[0].size),
    )


def _depthwise(op: ir.DepthwiseConv2D, rng: np.random.Generator) -> ir.Op:
    height, width, channels = op.weights.shape
    weights = sparse_weights((height, width, channels), None, rng)
    bias = rng.integers(-2000, 2000, (channels,)).astype(np.int32)
    return replace(op, weights=weights, bias=bias, requantization=_requantization(channels, height * width))


def _requantization(channels: int, terms: int) -> ir.Requantization:
    """Multipliers that bring sums of ``terms`` products of INT8 values back to INT8."""
    spread = 64 / (64 * 64 * np.sqrt(terms))
    return arithmetic.requantization(spread * np.linspace(0.5, 1.5, channels), 0)


def _add(op: ir.Add) -> ir.Op:
    tensor = ir.Tensor("", (1,), _SCALE, 0)
    parameters = arithmetic.add_parameters(tensor, tensor, replace(tensor, scale=2 * _SCALE))
    return replace(op, **vars(parameters))


def _softmax(op: ir.Softmax, columns: int) -> ir.Op:
    scores, weights = ir.Tensor("", (1,), _SCALE, 0), ir.Tensor("", (1,), 1 / 256, -128)
    return replace(op, **vars(arithmetic.softmax_parameters(columns, scores, weights)), zero_point=-128)


def _layer_norm(op: ir.LayerNorm, rng: np.random.Generator) -> ir.Op:
    gamma, tensor = rng.uniform(0.5, 1.5, len(op.gamma)), ir.Tensor("", (1,), _SCALE, 0)
    parameters = arithmetic.layernorm_parameters(gamma, np.zeros(len(gamma)), 1e-5, tensor, tensor)
    return replace(op, **vars(parameters))
