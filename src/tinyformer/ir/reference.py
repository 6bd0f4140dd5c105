"""The NumPy executor: it *defines* the right answer of every operator (docs/integer_semantics.md).

Tensors are int8 arrays of shape (N, *tensor.shape): the batch of images comes before the shape that the graph gives,
which begins with 1 for feature maps. Sums of products run in floating point wherever that is exact, because BLAS is
fast only there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir import graph as ir
from tinyformer.ir.graph import Int8Array
from tinyformer.ir.windows import tap_slices, window_counts

Int64Array = NDArray[np.int64]
BATCH = 32
"""Images computed at a time: bounds the memory."""


def execute(graph: ir.Graph, x: Int8Array) -> Int8Array:
    """Run ``graph`` on images ``x`` (N, H, W, C); the single output as (N, ...), without the shape's leading 1.

    Raises ``ValueError`` when the graph has several outputs (use :func:`execute_all`) or ``x`` has another shape.
    """
    if len(graph.outputs) != 1:
        raise ValueError(f"{graph.name} has {len(graph.outputs)} outputs; execute_all returns every tensor")
    name = graph.outputs[0]
    shape = graph.tensors[name].shape
    batches = [_run(graph, x[i : i + BATCH], keep=frozenset([name]))[name] for i in range(0, max(len(x), 1), BATCH)]
    y = np.concatenate(batches)
    return y.reshape(len(x), *(shape[1:] if shape[:1] == (1,) else shape))


def execute_all(graph: ir.Graph, x: Int8Array) -> dict[str, Int8Array]:
    """Run ``graph`` on ``x`` (N, H, W, C) and return every tensor, by name, as (N, *tensor.shape)."""
    return _run(graph, x, keep=frozenset(graph.tensors))


def execute_op(op: ir.Op, inputs: list[Int8Array], output: ir.Tensor) -> Int8Array:
    """Run one operator on ``inputs`` of shape (N, *shape); returns (N, *output.shape)."""
    return _EXECUTORS[type(op)](op, output, *inputs).reshape(-1, *output.shape)


def _run(graph: ir.Graph, x: Int8Array, keep: frozenset[str]) -> dict[str, Int8Array]:
    shape = graph.tensors[graph.input].shape
    if x.dtype != np.int8 or x.shape[1:] not in (shape, shape[1:]):
        raise ValueError(
            f"{graph.name} takes int8 images of shape (N, {', '.join(map(str, shape[1:]))}), not {x.shape}"
        )
    values = {graph.input: x.reshape(len(x), *shape)}
    last_use = {name: i for i, op in enumerate(graph.ops) for name in op.inputs}
    for i, op in enumerate(graph.ops):
        output = graph.tensors[op.output]
        y = execute_op(op, [values[name] for name in op.inputs], output)
        values[op.output] = np.broadcast_to(y, (len(x), *output.shape))  # a constant is the same for every image
        for name in set(op.inputs):
            if last_use[name] == i and name not in keep:
                del values[name]
    return {name: values[name] for name in values if name in keep}


def requantize(acc: NDArray[Any], r: ir.Requantization) -> Int8Array:
    """Accumulators of any integer (or exactly integral float) type, output channel last, to INT8."""
    wide = np.clip(acc, -(2 ** (31 - r.shift)), 2 ** (31 - r.shift) - 1).astype(np.int64) << r.shift
    scaled = (wide * r.multipliers.astype(np.int64) + 2**31) >> 32
    return np.clip(scaled + r.zero_point, r.low, r.high).astype(np.int8)


def exact_matmul(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Integer matrix product by BLAS, exact: in float32 while sums stay below 2**24, else in float64 (below 2**53)."""
    largest = [int(max(-int(v.min(initial=0)), int(v.max(initial=0)))) for v in (a, b)]
    dtype = np.float32 if a.shape[-1] * largest[0] * largest[1] < 2**24 else np.float64
    return a.astype(dtype) @ b.astype(dtype)


def _conv2d(op: ir.Conv2D, output: ir.Tensor, x: Int8Array) -> Int8Array:
    kernel = op.weights.shape[1:3]
    padded = _pad_image(x, op.padding, op.pad_value)
    taps = tap_slices(kernel, op.stride, op.dilation, output.shape[1:3])
    outputs, inputs = op.weights.shape[0] // op.groups, op.weights.shape[3]
    parts = []
    for g in range(op.groups):
        channels = slice(g * inputs, (g + 1) * inputs)
        columns = np.concatenate([padded[:, 0, rows, cols, channels] for rows, cols in taps], axis=-1)
        weights = op.weights[g * outputs : (g + 1) * outputs].reshape(outputs, -1)
        parts.append(exact_matmul(columns, weights.T))
    return requantize(_plus(np.concatenate(parts, axis=-1), op.bias), op.requantization)


def _depthwise(op: ir.DepthwiseConv2D, output: ir.Tensor, x: Int8Array) -> Int8Array:
    kernel = op.weights.shape[:2]
    padded = _pad_image(x, op.padding, op.pad_value)[:, 0]
    acc = np.broadcast_to(op.bias.astype(np.int32), (len(x), *output.shape[1:])).copy()
    taps = tap_slices(kernel, op.stride, op.dilation, output.shape[1:3])
    for (rows, cols), weights in zip(taps, op.weights.reshape(-1, op.weights.shape[2]), strict=True):
        acc += padded[:, rows, cols].astype(np.int32) * weights.astype(np.int32)
    return requantize(acc, op.requantization)


def _linear(op: ir.Linear, output: ir.Tensor, x: Int8Array) -> Int8Array:
    return requantize(_plus(exact_matmul(x, op.weights.T), op.bias), op.requantization)


def _batch_matmul(op: ir.BatchMatMul, output: ir.Tensor, a: Int8Array, b: Int8Array) -> Int8Array:
    left = _gather(a, (op.batch, op.m, op.k), op.a_strides).astype(np.int16) - op.a_zero_point
    right = _gather(b, (op.batch, op.k, op.n), op.b_strides).astype(np.int16) - op.b_zero_point
    y = requantize(exact_matmul(left, right), op.requantization)
    flat = np.empty((len(a), output.size), np.int8)
    flat[:, _offsets((op.batch, op.m, op.n), op.y_strides)] = y
    return flat


def _add(op: ir.Add, output: ir.Tensor, a: Int8Array, b: Int8Array) -> Int8Array:
    acc = a.astype(np.int32) * op.multiplier_a + b.astype(np.int32) * op.multiplier_b + op.offset
    return np.clip(acc >> op.shift, op.low, op.high).astype(np.int8)


def _mul(op: ir.Mul, output: ir.Tensor, a: Int8Array, b: Int8Array) -> Int8Array:
    left, right = a.astype(np.int32) - op.a_zero_point, b.astype(np.int32) - op.b_zero_point
    return requantize(left * right, op.requantization)


def _lut(op: ir.Lut, output: ir.Tensor, x: Int8Array) -> Int8Array:
    return op.table[x.astype(np.intp) + 128]


def _softmax(op: ir.Softmax, output: ir.Tensor, x: Int8Array) -> Int8Array:
    distance = x.max(axis=-1, keepdims=True).astype(np.intp) - x
    e = op.exponentials.astype(np.int64)[distance]
    reciprocal = op.numerator // (e.sum(axis=-1, keepdims=True) >> op.sum_shift)
    return np.clip(op.zero_point + ((e * reciprocal + 2**31) >> 32), -128, 127).astype(np.int8)


def _layer_norm(op: ir.LayerNorm, output: ir.Tensor, x: Int8Array) -> Int8Array:
    n = x.shape[-1]
    wide = x.astype(np.int64)
    s1 = wide.sum(axis=-1, keepdims=True)
    s2 = (wide * wide).sum(axis=-1, keepdims=True)
    variance = n * s2 - s1 * s1 + op.epsilon
    k = (32 - _bit_length(variance)) // 2
    normalized = np.where(k >= 0, variance << np.maximum(2 * k, 0), variance >> np.maximum(-2 * k, 0))
    root = np.floor(np.sqrt(normalized.astype(np.float64))).astype(np.int64)  # exact: normalized < 2**32
    reciprocal = 2**31 // root
    exponent = k + 11 - op.pre_shift
    m = np.where(exponent >= 0, reciprocal << np.maximum(exponent, 0), reciprocal >> np.maximum(-exponent, 0))
    u = (((n * wide - s1) << op.pre_shift) * m + 2**31) >> 32
    return np.clip((u * op.gamma + op.beta) >> op.post_shift, -128, 127).astype(np.int8)


def _bit_length(values: Int64Array) -> Int64Array:
    """Bits of positive integers below 2**53."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


def _average_pool(op: ir.AveragePool2D, output: ir.Tensor, x: Int8Array) -> Int8Array:
    padded = _pad_image(x, op.padding, op.zero_point)[:, 0]
    acc = np.zeros((len(x), *output.shape[1:]), np.int32)
    for rows, cols in tap_slices(op.kernel, op.stride, (1, 1), output.shape[1:3]):
        acc += padded[:, rows, cols].astype(np.int32) - op.zero_point
    r = op.requantization
    if len(r.multipliers) > 1:
        counts = window_counts(x.shape[2:4], op.kernel, op.stride, op.padding, output.shape[1:3])
        per_position = r.multipliers[counts - 1][:, :, None]
        r = ir.Requantization(per_position, r.shift, r.zero_point, r.low, r.high)
    return requantize(acc, r)


def _max_pool(op: ir.MaxPool2D, output: ir.Tensor, x: Int8Array) -> Int8Array:
    padded = _pad_image(x, op.padding, -128)[:, 0]  # -128 never wins, and every window meets the image
    y = np.full((len(x), *output.shape[1:]), -128, np.int8)
    for rows, cols in tap_slices(op.kernel, op.stride, (1, 1), output.shape[1:3]):
        np.maximum(y, padded[:, rows, cols], out=y)
    return y


def _concat(op: ir.Concat, output: ir.Tensor, *inputs: Int8Array) -> Int8Array:
    return np.concatenate(inputs, axis=op.axis + 1)


def _slice(op: ir.Slice, output: ir.Tensor, x: Int8Array) -> Int8Array:
    return x[(slice(None),) * (op.axis + 1) + (slice(op.begin, op.end),)]


def _pad(op: ir.Pad, output: ir.Tensor, x: Int8Array) -> Int8Array:
    widths = [(0, 0), *zip(op.before, op.after, strict=True)]
    return np.pad(x, widths, constant_values=op.value)


def _transpose(op: ir.Transpose, output: ir.Tensor, x: Int8Array) -> Int8Array:
    return np.ascontiguousarray(x.transpose(0, *(axis + 1 for axis in op.permutation)))


def _constant(op: ir.Constant, output: ir.Tensor) -> Int8Array:
    return op.value


def _reshape(op: ir.Reshape, output: ir.Tensor, x: Int8Array) -> Int8Array:
    return x


def _plus(acc: NDArray[Any], bias: ir.Int32Array) -> NDArray[Any]:
    return acc.astype(np.int64) + bias


def _pad_image(x: Int8Array, padding: tuple[int, int, int, int], value: int) -> Int8Array:
    """Pad (N, 1, H, W, C) by (top, bottom, left, right)."""
    top, bottom, left, right = padding
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value)


def _offsets(shape: tuple[int, int, int], strides: tuple[int, int, int]) -> NDArray[np.intp]:
    """Element offset of every (batch, row, column)."""
    parts = [np.arange(size) * stride for size, stride in zip(shape, strides, strict=True)]
    return parts[0][:, None, None] + parts[1][:, None] + parts[2]


def _gather(x: Int8Array, shape: tuple[int, int, int], strides: tuple[int, int, int]) -> Int8Array:
    return x.reshape(len(x), -1)[:, _offsets(shape, strides)]


_EXECUTORS: Mapping[type[ir.Op], Callable[..., Int8Array]] = {
    ir.Conv2D: _conv2d,
    ir.DepthwiseConv2D: _depthwise,
    ir.Linear: _linear,
    ir.BatchMatMul: _batch_matmul,
    ir.Add: _add,
    ir.Mul: _mul,
    ir.Lut: _lut,
    ir.Softmax: _softmax,
    ir.LayerNorm: _layer_norm,
    ir.AveragePool2D: _average_pool,
    ir.MaxPool2D: _max_pool,
    ir.Concat: _concat,
    ir.Slice: _slice,
    ir.Pad: _pad,
    ir.Transpose: _transpose,
    ir.Constant: _constant,
    ir.Reshape: _reshape,
}
