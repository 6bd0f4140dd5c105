"""Networks with random parameters for benchmarks and tests: cost depends on shapes and zero blocks, not on training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir import arithmetic
from tinyformer.ir import graph as ir
from tinyformer.ir.blocks import from_blocks, to_blocks

SPREAD = 40.0
"""Standard deviation, in LSB, that activations are given."""
_WEIGHT_SPREAD = 127 / np.sqrt(3)


def with_random_parameters(
    graph: ir.Graph, seed: int, zero_blocks: float = 0.0, block: tuple[int, int] = (2, 2)
) -> ir.Graph:
    """``graph`` with random weights, biases, scales and zero points such that activations use the range of int8.

    ``zero_blocks`` of the blocks of every convolution with at least four input channels and every linear layer but the
    last are zero.
    """
    rng = np.random.default_rng(seed)
    tensors = {
        name: replace(tensor, scale=float(rng.uniform(0.03, 0.06)), zero_point=int(rng.integers(-20, 20)))
        for name, tensor in graph.tensors.items()
    }
    for op in graph.ops:
        if isinstance(op, ir.Softmax):
            tensors[op.output] = replace(tensors[op.output], scale=1 / 256, zero_point=-128)
        elif isinstance(op, ir.Reshape | ir.Concat | ir.Slice | ir.Pad | ir.Transpose | ir.MaxPool2D):
            source = tensors[op.inputs[0]]
            tensors[op.output] = replace(tensors[op.output], scale=source.scale, zero_point=source.zero_point)
    last = next((op.name for op in reversed(graph.ops) if isinstance(op, ir.Linear)), "")
    ops = [_randomize(op, tensors, rng, 0.0 if op.name == last else zero_blocks, block) for op in graph.ops]
    return ir.Graph(graph.name, graph.input, graph.outputs, tensors, ops)


def prune(weights: NDArray[np.int8], rng: np.random.Generator, fraction: float, block: tuple[int, int]) -> None:
    """Zero exactly ``fraction`` of the blocks of ``weights`` (O, ..., I) in place."""
    outputs, inputs = weights.shape[0], weights.shape[-1]
    blocks = to_blocks(weights.reshape(outputs, -1, inputs), block)
    grid = blocks.shape[:3]
    chosen = rng.permutation(int(np.prod(grid)))[: round(fraction * np.prod(grid))]
    blocks[np.unravel_index(chosen, grid)] = 0
    weights[...] = from_blocks(blocks, outputs, inputs).reshape(weights.shape)


def _randomize(  # noqa: PLR0911 one case an operator
    op: ir.Op, tensors: dict[str, ir.Tensor], rng: np.random.Generator, zero_blocks: float, block: tuple[int, int]
) -> ir.Op:
    y = tensors[op.output]
    x = tensors[op.inputs[0]]
    match op:
        case ir.Conv2D() | ir.Linear() | ir.DepthwiseConv2D():
            weights = rng.integers(-127, 128, op.weights.shape, np.int8)
            depthwise = isinstance(op, ir.DepthwiseConv2D)
            if not depthwise and op.weights.shape[-1] >= 4 and zero_blocks:
                prune(weights, rng, zero_blocks, block)
            axes = (0, 1) if depthwise else tuple(range(1, weights.ndim))
            products = max(np.count_nonzero(weights) / len(op.bias), 1.0)
            real = rng.uniform(0.7, 1.4, len(op.bias)) / (np.sqrt(products) * _WEIGHT_SPREAD)
            bias = np.rint(rng.normal(0, SPREAD / real / 2)) - x.zero_point * weights.sum(axes, np.int64)
            requantization = _clipped(op.requantization, arithmetic.requantization(real, y.zero_point))
            changes = {"weights": weights, "bias": bias.astype(np.int32), "requantization": requantization}
            return replace(op, **changes, **({} if isinstance(op, ir.Linear) else {"pad_value": x.zero_point}))
        case ir.BatchMatMul():
            b = tensors[op.inputs[1]]
            real = 1 / (np.sqrt(op.k) * SPREAD) if x.scale != 1 / 256 else 1 / 128
            requantization = arithmetic.requantization([real], y.zero_point)
            return replace(op, a_zero_point=x.zero_point, b_zero_point=b.zero_point, requantization=requantization)
        case ir.Add():
            return replace(op, **vars(arithmetic.add_parameters(x, tensors[op.inputs[1]], y)))
        case ir.Mul():
            b = tensors[op.inputs[1]]
            requantization = arithmetic.requantization([1 / SPREAD], y.zero_point)
            return replace(op, a_zero_point=x.zero_point, b_zero_point=b.zero_point, requantization=requantization)
        case ir.Lut():
            return replace(op, table=arithmetic.lut(lambda v: v / (1 + np.exp(-1.702 * v)), x, y))
        case ir.Softmax():
            return replace(op, **vars(arithmetic.softmax_parameters(x.shape[-1], x, y)), zero_point=y.zero_point)
        case ir.LayerNorm():
            gamma, beta = rng.uniform(0.5, 1.5, x.shape[-1]), rng.normal(0, 0.3, x.shape[-1])
            return replace(op, **vars(arithmetic.layernorm_parameters(gamma, beta, 1e-5, x, y)))
        case ir.AveragePool2D():
            cells = op.kernel[0] * op.kernel[1]
            counts = np.arange(1, cells + 1) if len(op.requantization.multipliers) > 1 else np.array([cells])
            requantization = arithmetic.requantization(1.5 / counts, y.zero_point)
            return replace(op, zero_point=x.zero_point, requantization=requantization)
        case _:
            return op


def _clipped(old: ir.Requantization, new: ir.Requantization) -> ir.Requantization:
    """``new`` with the fused activation of ``old``: none, or a ReLU from the new zero point on."""
    return replace(new, low=new.zero_point) if old.low > -128 else new
