# SPDX-License-Identifier: Apache-2.0
"""Lowering of the transformer's own operators: products of activations, softmax, LayerNorm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyformer.errors import TinyFormerError
from tinyformer.ir import graph as ir
from tinyformer.ir.arithmetic import (
    fits_int32,
    layernorm_parameters,
    requantization,
    softmax_parameters,
    variance_steps,
)
from tinyformer.ir.lowering.builder import Builder, Value
from tinyformer.ir.lowering.function import Case, Function, Scale
from tinyformer.ir.lowering.layout import CHANNELS_LAST, Positions, in_order, strides
from tinyformer.ir.lowering.network import Network, Node
from tinyformer.ir.lowering.problems import UnsupportedError
from tinyformer.ir.lowering.reshaping import VIEW_FUNCTIONS, view_positions
from tinyformer.ir.operators.rows import RoundedLayerNorm

_IMAGE_OPERATORS = {"Conv", "AveragePool", "MaxPool", "GlobalAveragePool", "GlobalMaxPool"}


def lower_matmul(builder: Builder, node: Node) -> Value:
    """Product of two activations: reads them where they lie, writes where the reader wants it."""
    a, b = (builder.values[name] for name in node.inputs)
    shape = builder.network.shapes[node.output]
    if len(a.shape) < 2 or len(b.shape) < 2:
        raise UnsupportedError("products with vectors are not supported: reshape them to matrices")
    m, k, n = a.shape[-2], a.shape[-1], b.shape[-1]
    batch = int(np.prod(shape[:-2]))
    left, a_strides = _operand(builder, a, shape[:-2])
    right, b_strides = _operand(builder, b, shape[:-2])
    positions, stored_shape = _wanted_layout(builder.network, node.output)
    y_strides = strides(positions.reshape(batch, m, n))
    if y_strides is None:
        positions, stored_shape = in_order(shape, tuple(range(len(shape)))), shape
        y_strides = (m * n, n, 1)
    x, w, y = (builder.quantization(name) for name in (*node.inputs, node.output))
    if not fits_int32((-k * 255 * 255, k * 255 * 255)):
        raise UnsupportedError("its 32-bit accumulator can overflow: the inner dimension is too long")
    tensor = builder.add_tensor(node.output, stored_shape, y)
    requant = requantization(node.factor * x.scale * w.scale / y.scale, y.zero_point, *builder.limits(node))
    builder.emit(
        ir.BatchMatMul(
            name=node.name,
            inputs=(left, right),
            output=tensor,
            batch=batch,
            m=m,
            k=k,
            n=n,
            a_strides=a_strides,
            b_strides=b_strides,
            y_strides=(y_strides[0], y_strides[1], y_strides[2]),
            a_zero_point=x.zero_point,
            b_zero_point=w.zero_point,
            requantization=requant,
        )
    )
    return Value(tensor, positions)


def _operand(builder: Builder, value: Value, batch: tuple[int, ...]) -> tuple[str, tuple[int, int, int]]:
    """Storage tensor and (batch, row, column) strides of an operand, broadcast over ``batch``."""

    def found(positions: Positions) -> tuple[int, int, int] | None:
        rows, columns = positions.shape[-2:]
        full = np.broadcast_to(positions, (*batch, rows, columns)).reshape(-1, rows, columns)
        steps = strides(full)
        return None if steps is None else (steps[0], steps[1], steps[2])

    direct = found(value.positions)
    if direct is not None:
        return value.tensor, direct
    order = tuple(range(len(value.shape)))
    moved = found(in_order(value.shape, order))
    if moved is None:
        raise UnsupportedError("its operands are broadcast over several batch dimensions: expand them in the model")
    return builder.stored(value, order), moved


def _wanted_layout(network: Network, tensor: str) -> tuple[Positions, tuple[int, ...]]:
    """Where the elements of ``tensor`` should lie so that the first operator behind its views finds them in order.

    Also the shape under which that operator reads them.
    """
    shape = network.shapes[tensor]
    view, name = in_order(shape, tuple(range(len(shape)))), tensor
    consumers = network.consumers()
    while (reader := network.sole_consumer(name, consumers)) is not None and reader.operator in VIEW_FUNCTIONS:
        view, name = view_positions(network, reader, view), reader.output
    readers = consumers.get(name, [])
    is_image = view.ndim == 4 and all(reader.operator in _IMAGE_OPERATORS for reader in readers)
    wanted = view.transpose(CHANNELS_LAST) if is_image else view
    positions = np.empty(wanted.size, np.int32)
    positions[wanted.reshape(-1)] = np.arange(wanted.size, dtype=np.int32)
    return positions.reshape(shape), wanted.shape


def lower_softmax(builder: Builder, node: Node) -> Value:
    """Softmax over one axis, which is brought to the end of the storage."""
    x = builder.values[node.inputs[0]]
    axis = node.attributes.get("axis", -1) % len(x.shape)
    order = builder.order(x, last=axis)
    stored = builder.stored(x, order)
    y = builder.declare(node, x.shape, order)
    quantization = builder.quantization(node.output)
    try:
        before = builder.tensor_quantization(x.tensor)
        before = before._replace(scale=before.scale * node.attributes.get("beta", 1.0))
        p = softmax_parameters(x.shape[axis], before, quantization)
    except TinyFormerError as error:
        raise UnsupportedError(str(error)) from error
    parts = (p.exponentials, p.sum_shift, p.numerator, quantization.zero_point)
    mask = node.attributes.get("mask")
    if mask is None:
        builder.emit(ir.Softmax(node.name, (stored,), y.tensor, *parts))
    else:
        builder.emit(ir.MaskedSoftmax(node.name, (stored,), y.tensor, *parts, _mask_rows(mask.transpose(order))))
    return y


def _mask_rows(mask: NDArray[np.bool_]) -> ir.UInt8Array:
    """The rows of a mask, as few as repeat throughout. Raises :class:`UnsupportedError` if one keeps nothing."""
    rows = mask.reshape(-1, mask.shape[-1])
    if not rows.any(axis=1).all():
        raise UnsupportedError("a row of its mask keeps no element: remove such rows")
    period = next(n for n in range(1, len(rows) + 1) if len(rows) % n == 0 and np.array_equal(rows[n:], rows[:-n]))
    return rows[:period].astype(np.uint8)


def lower_layer_norm(builder: Builder, node: Node) -> Value:
    """LayerNormalization over the last axes, taken together as rows."""
    x = builder.values[node.inputs[0]]
    axis = node.attributes.get("axis", -1) % len(x.shape)
    n = int(np.prod(x.shape[axis:]))
    rows = Value(x.tensor, x.positions.reshape(*x.shape[:axis], n))
    gamma, beta = (builder.network.real_input(node, i) for i in (1, 2))
    if gamma is None or (len(node.inputs) > 2 and node.inputs[2] and beta is None):
        raise UnsupportedError("its scale and bias must be constants")
    order = builder.order(rows, last=axis)
    stored = builder.stored(rows, order)
    y = builder.declare(node, rows.shape, order)
    try:
        p = layernorm_parameters(
            np.broadcast_to(gamma.reshape(-1), (n,)),
            np.zeros(n) if beta is None else np.broadcast_to(beta.reshape(-1), (n,)),
            node.attributes.get("epsilon", 1e-5),
            builder.tensor_quantization(x.tensor),
            builder.quantization(node.output),
        )
    except TinyFormerError as error:
        raise UnsupportedError(str(error)) from error
    rounding = node.attributes.get("rounding")
    if rounding is None:
        op: ir.Op = ir.LayerNorm(node.name, (stored,), y.tensor, p.gamma, p.beta, p.epsilon, p.pre_shift, p.post_shift)
    else:
        variance, total = rounding
        totals = variance.real(np.arange(-128, 128)) + node.attributes.get("epsilon", 1e-5)
        totals = totals if total is None else total.real(total.quantize(totals))
        s = variance_steps(n, p.pre_shift, builder.tensor_quantization(x.tensor).scale, variance, totals)
        op = RoundedLayerNorm(
            node.name, (stored,), y.tensor, p.gamma, p.beta, s.multipliers, s.variance_multiplier, s.variance_shift,
            s.first_step, p.pre_shift, p.post_shift,
        )  # fmt: skip
    builder.emit(op)
    return Value(y.tensor, y.positions.reshape(x.shape))


FUNCTIONS = (
    Function(
        "MatMul",
        "Linear, BatchMatMul",
        Case(((12, 7),), shape=(1, 6, 12)),
        lower=lower_matmul,
        clamps=True,
        scale=Scale.WEIGHTED,
        tflite=("BATCH_MATMUL",),
    ),
    Function(
        "Softmax",
        "Softmax",
        Case(attributes={"axis": -1}, shape=(1, 6, 12)),
        lower=lower_softmax,
        attributes=("axis", "beta", "mask"),
        scale=Scale.PROBABILITY,
        tflite=("SOFTMAX",),
    ),
    Function(
        "LayerNormalization",
        "LayerNorm, RoundedLayerNorm",
        Case(((12,), (12,)), shape=(1, 6, 12)),
        lower=lower_layer_norm,
        attributes=("axis", "epsilon", "stash_type", "rounding"),
        scale=Scale.OBSERVED,
    ),
)
