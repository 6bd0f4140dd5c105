# SPDX-License-Identifier: Apache-2.0
"""Random operators with their tensors, for comparing kernels with the reference."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir import arithmetic
from tinyformer.ir import graph as ir
from tinyformer.ir.blocks import from_blocks, to_blocks
from tinyformer.ir.graph import Op, Tensor
from tinyformer.ir.operators.rows import RoundedLayerNorm
from tinyformer.ir.quantization import Quantization

Case = tuple[Op, dict[str, Tensor]]


def tensors(*given: Tensor) -> dict[str, Tensor]:
    return {tensor.name: tensor for tensor in given}


def tensor(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Tensor:
    return Tensor(name, shape, float(rng.uniform(0.01, 0.1)), int(rng.integers(-128, 128)))


def requantization(rng: np.random.Generator, channels: int, depth: int, *, wide: bool = False) -> ir.Requantization:
    """Multipliers that spread typical sums of ``depth`` products over INT8; ``wide`` adds ratios of 0.5 and more."""
    typical = 40 / (74 * 74 * math.sqrt(depth))
    real = typical * rng.uniform(0.3, 3, channels)
    if wide:
        real[rng.integers(channels)] = rng.uniform(0.5, 40)
    low, high = sorted(rng.integers(-128, 128, 2)) if rng.random() < 0.5 else (-128, 127)
    return arithmetic.requantization(real, int(rng.integers(-128, 128)), int(low), int(high))


def block_sparse(
    rng: np.random.Generator, weights: NDArray[np.int8], block: tuple[int, int], sparsity: float
) -> NDArray[np.int8]:
    """``weights`` (O, taps, I) with a fraction of their blocks set to zero."""
    blocks = to_blocks(weights, block)
    blocks[rng.random(blocks.shape[:3]) < sparsity] = 0
    return from_blocks(blocks, weights.shape[0], weights.shape[2])


def conv(
    rng: np.random.Generator,
    image: tuple[int, int, int],
    outputs: int,
    *,
    kernel: tuple[int, int] = (1, 1),
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    block: tuple[int, int] = (2, 2),
    sparsity: float = 0.0,
    wide: bool = False,
) -> Case:
    """Convolution over ``image`` (H, W, C)."""
    height, width, channels = image
    out = (
        (height + padding[0] + padding[1] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1,
        (width + padding[2] + padding[3] - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1,
    )
    inputs = channels // groups
    taps = kernel[0] * kernel[1]
    weights = rng.integers(-127, 128, (outputs, taps, inputs)).astype(np.int8)
    weights = block_sparse(rng, weights, block, sparsity).reshape(outputs, *kernel, inputs)
    x, y = tensor(rng, "x", (1, *image)), tensor(rng, "y", (1, *out, outputs))
    bias = rng.integers(-5000, 5000, outputs).astype(np.int32)
    r = requantization(rng, outputs if rng.random() < 0.7 else 1, taps * inputs, wide=wide)
    return ir.Conv2D("conv", ("x",), "y", weights, bias, stride, padding, dilation, groups, x.zero_point, r), tensors(
        x, y
    )


def depthwise(
    rng: np.random.Generator,
    image: tuple[int, int, int],
    *,
    kernel: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (1, 1, 1, 1),
    dilation: tuple[int, int] = (1, 1),
    wide: bool = False,
) -> Case:
    height, width, channels = image
    as_conv, named = conv(rng, (height, width, 1), 1, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    assert isinstance(as_conv, ir.Conv2D)
    x = Tensor("x", (1, *image), 0.1, as_conv.pad_value)
    y = Tensor("y", (*named["y"].shape[:3], channels), 0.1, 0)
    weights = rng.integers(-127, 128, (*kernel, channels)).astype(np.int8)
    bias = rng.integers(-5000, 5000, channels).astype(np.int32)
    r = requantization(rng, channels if rng.random() < 0.7 else 1, kernel[0] * kernel[1], wide=wide)
    op = ir.DepthwiseConv2D("depthwise", ("x",), "y", weights, bias, stride, padding, dilation, x.zero_point, r)
    return op, tensors(x, y)


def linear(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    outputs: int,
    *,
    block: tuple[int, int] = (2, 2),
    sparsity: float = 0.0,
    wide: bool = False,
) -> Case:
    as_conv, _ = conv(rng, (1, 1, shape[-1]), outputs, block=block, sparsity=sparsity, wide=wide)
    assert isinstance(as_conv, ir.Conv2D)
    weights = as_conv.weights.reshape(outputs, shape[-1])
    op = ir.Linear("linear", ("x",), "y", weights, as_conv.bias, as_conv.requantization)
    return op, tensors(tensor(rng, "x", shape), tensor(rng, "y", (*shape[:-1], outputs)))


def scores(rng: np.random.Generator, heads: int, queries: int, keys: int, width: int) -> Case:
    """Queries times transposed keys, both (tokens, heads * width), to (heads, queries, keys)."""
    inner = heads * width
    op = ir.BatchMatMul(
        "scores", ("a", "b"), "y", heads, queries, width, keys,
        (width, inner, 1), (width, 1, inner), (queries * keys, keys, 1),
        int(rng.integers(-128, 128)), int(rng.integers(-128, 128)), requantization(rng, 1, width),
    )  # fmt: skip
    return op, tensors(
        tensor(rng, "a", (queries, inner)), tensor(rng, "b", (keys, inner)), tensor(rng, "y", (heads, queries, keys))
    )


def context(rng: np.random.Generator, heads: int, queries: int, keys: int, width: int) -> Case:
    """Attention (heads, queries, keys) times values (keys, heads * width), to (queries, heads * width)."""
    inner = heads * width
    op = ir.BatchMatMul(
        "context", ("a", "b"), "y", heads, queries, keys, width,
        (queries * keys, keys, 1), (width, inner, 1), (width, inner, 1),
        int(rng.integers(-128, 128)), int(rng.integers(-128, 128)), requantization(rng, 1, keys),
    )  # fmt: skip
    return op, tensors(
        tensor(rng, "a", (heads, queries, keys)), tensor(rng, "b", (keys, inner)), tensor(rng, "y", (queries, inner))
    )


def scattered_matmul(rng: np.random.Generator, batch: int, m: int, k: int, n: int) -> Case:
    """A product whose operands and result have transposed layouts."""
    op = ir.BatchMatMul(
        "scattered", ("a", "b"), "y", batch, m, k, n, (m * k, 1, m), (1, n * batch, batch), (1, batch, m * batch),
        int(rng.integers(-128, 128)), int(rng.integers(-128, 128)), requantization(rng, 1, k),
    )  # fmt: skip
    return op, tensors(
        tensor(rng, "a", (batch, k, m)), tensor(rng, "b", (k, n, batch)), tensor(rng, "y", (n, m, batch))
    )


def add(rng: np.random.Generator, shape: tuple[int, ...]) -> Case:
    a, b, y = (tensor(rng, name, shape) for name in "aby")
    p = arithmetic.add_parameters(a, b, y)
    low, high = sorted(rng.integers(-128, 128, 2)) if rng.random() < 0.5 else (-128, 127)
    op = ir.Add("add", ("a", "b"), "y", p.multiplier_a, p.multiplier_b, p.offset, p.shift, int(low), int(high))
    return op, tensors(a, b, y)


def mul(rng: np.random.Generator, shape: tuple[int, ...], *, broadcast: bool) -> Case:
    b_shape = (1,) * (len(shape) - 1) + shape[-1:] if broadcast else shape
    a, b, y = tensor(rng, "a", shape), tensor(rng, "b", b_shape), tensor(rng, "y", shape)
    op = ir.Mul("mul", ("a", "b"), "y", a.zero_point, b.zero_point, requantization(rng, 1, 1, wide=rng.random() < 0.3))
    return op, tensors(a, b, y)


def lut(rng: np.random.Generator, shape: tuple[int, ...]) -> Case:
    table = rng.integers(-128, 128, 256).astype(np.int8)
    return ir.Lut("lut", ("x",), "y", table), tensors(tensor(rng, "x", shape), tensor(rng, "y", shape))


def softmax(rng: np.random.Generator, shape: tuple[int, ...]) -> Case:
    x, y = tensor(rng, "x", shape), Tensor("y", shape, 1 / 256, -128)
    p = arithmetic.softmax_parameters(shape[-1], x, y)
    op = ir.Softmax("softmax", ("x",), "y", p.exponentials, p.sum_shift, p.numerator, y.zero_point)
    return op, tensors(x, y)


def layer_norm(rng: np.random.Generator, shape: tuple[int, ...]) -> Case:
    x, y = tensor(rng, "x", shape), Tensor("y", shape, 0.03, int(rng.integers(-20, 20)))
    p = arithmetic.layernorm_parameters(rng.normal(1, 0.3, shape[-1]), rng.normal(0, 0.5, shape[-1]), 1e-5, x, y)
    op = ir.LayerNorm("norm", ("x",), "y", p.gamma, p.beta, p.epsilon, p.pre_shift, p.post_shift)
    return op, tensors(x, y)


def rounded_layer_norm(rng: np.random.Generator, shape: tuple[int, ...], steps: float = 100.0) -> Case:
    """``steps`` are those that the variance of a row has by half."""
    (op, tensors_of), n = layer_norm(rng, shape), shape[-1]
    assert isinstance(op, ir.LayerNorm)
    scale = tensors_of["x"].scale
    variance = Quantization(scale**2 * 128**2 / 3 / steps, -128)
    totals = variance.real(np.arange(-128, 128)) + 1e-5
    s = arithmetic.variance_steps(n, op.pre_shift, scale, variance, totals)
    rounded = RoundedLayerNorm(
        "norm", ("x",), "y", op.gamma, op.beta, s.multipliers, s.variance_multiplier, s.variance_shift, s.first_step,
        op.pre_shift, op.post_shift,
    )  # fmt: skip
    return rounded, tensors_of


def pool(
    rng: np.random.Generator,
    image: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    *,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    largest: bool = False,
) -> Case:
    height, width, channels = image
    out = (
        (height + padding[0] + padding[1] - kernel[0]) // stride[0] + 1,
        (width + padding[2] + padding[3] - kernel[1]) // stride[1] + 1,
    )
    x, y = tensor(rng, "x", (1, *image)), tensor(rng, "y", (1, *out, channels))
    if largest:
        return ir.MaxPool2D("pool", ("x",), "y", kernel, stride, padding), tensors(x, y)
    r = arithmetic.average_pool_requantization(
        x.scale, y.scale, y.zero_point, kernel[0] * kernel[1], uniform=not any(padding)
    )
    return ir.AveragePool2D("pool", ("x",), "y", kernel, stride, padding, x.zero_point, r), tensors(x, y)


def concat(rng: np.random.Generator, shapes: list[tuple[int, ...]], axis: int) -> Case:
    inputs = [tensor(rng, f"x{i}", shape) for i, shape in enumerate(shapes)]
    whole = list(shapes[0])
    whole[axis] = sum(shape[axis] for shape in shapes)
    op = ir.Concat("concat", tuple(x.name for x in inputs), "y", axis)
    return op, tensors(*inputs, tensor(rng, "y", tuple(whole)))


def cut(rng: np.random.Generator, shape: tuple[int, ...], axis: int) -> Case:
    begin, end = sorted(rng.choice(shape[axis] + 1, 2, replace=False))
    out = (*shape[:axis], int(end - begin), *shape[axis + 1 :])
    return ir.Slice("slice", ("x",), "y", axis, int(begin), int(end)), tensors(
        tensor(rng, "x", shape), tensor(rng, "y", out)
    )


def pad(rng: np.random.Generator, shape: tuple[int, ...]) -> Case:
    before, after = (tuple(int(v) for v in rng.integers(0, 3, len(shape))) for _ in range(2))
    out = tuple(a + n + b for a, n, b in zip(before, shape, after, strict=True))
    op = ir.Pad("pad", ("x",), "y", before, after, int(rng.integers(-128, 128)))
    return op, tensors(tensor(rng, "x", shape), tensor(rng, "y", out))


def transpose(rng: np.random.Generator, shape: tuple[int, ...]) -> Case:
    permutation = tuple(int(axis) for axis in rng.permutation(len(shape)))
    op = ir.Transpose("transpose", ("x",), "y", permutation)
    out = tuple(shape[axis] for axis in permutation)
    return op, tensors(tensor(rng, "x", shape), tensor(rng, "y", out))
