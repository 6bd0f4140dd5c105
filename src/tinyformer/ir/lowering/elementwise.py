"""Lowering of elementwise operators: sums, differences, products and tables."""

from __future__ import annotations

import numpy as np

from tinyformer.ir import graph as ir
from tinyformer.ir.arithmetic import add_parameters, lut, requantization
from tinyformer.ir.lowering.builder import Builder, Value
from tinyformer.ir.lowering.layout import Order, in_order
from tinyformer.ir.lowering.network import Constant, Node, Quantization
from tinyformer.ir.lowering.problems import UnsupportedError


def lower_unary(builder: Builder, node: Node) -> Value:
    """A function of one tensor: a table, in whatever order the tensor is stored."""
    x = builder.values[node.inputs[0]]
    quantization = builder.quantization(node.output)
    table = lut(node.attributes["function"], builder.tensor_quantization(x.tensor), quantization)
    order = builder.order(x)
    stored = builder.stored(x, order)
    y = Value(
        builder.add_tensor(node.output, builder.graph.tensors[stored].shape, quantization), in_order(x.shape, order)
    )
    builder.emit(ir.Lut(node.name, (stored,), y.tensor, table))
    return Value(y.tensor, y.positions.reshape(builder.network.shapes[node.output]))


def lower_add(builder: Builder, node: Node) -> Value:
    """Add and Sub of two tensors of one shape, one of which may be constant."""
    shape = builder.network.shapes[node.output]
    first = builder.values[builder.network.activations(node)[0]]
    if first.shape != shape:
        first = max(
            (builder.values[name] for name in builder.network.activations(node)), key=lambda v: v.positions.size
        )
    order = builder.order(first)
    a, b = (_operand(builder, name, shape, order) for name in node.inputs)
    if a.shape != shape or b.shape != shape:
        raise UnsupportedError("sums of activations of different shapes are not supported: expand the smaller one")
    left, right = builder.stored(a, order), builder.stored(b, order)
    sign = -1 if node.operator == "Sub" else 1
    p = add_parameters(
        builder.tensor_quantization(left), builder.tensor_quantization(right), builder.quantization(node.output), sign
    )
    y = builder.declare(node, shape, order)
    low, high = builder.limits(node)
    builder.emit(
        ir.Add(
            name=node.name,
            inputs=(left, right),
            output=y.tensor,
            multiplier_a=p.multiplier_a,
            multiplier_b=p.multiplier_b,
            offset=p.offset,
            shift=p.shift,
            low=low,
            high=high,
        )
    )
    return y


def lower_mul(builder: Builder, node: Node) -> Value:
    """Product of two tensors of one shape, or of one and a vector over the axis stored last (squeeze and excite)."""
    shape = builder.network.shapes[node.output]
    names = list(node.inputs)
    if builder.network.shapes[names[0]] != shape or names[0] in builder.network.constants:
        names.reverse()
    if names[0] not in builder.values or builder.values[names[0]].shape != shape:
        raise UnsupportedError("products that broadcast both operands are not supported: expand one of them")
    a = builder.values[names[0]]
    small = builder.network.shapes[names[1]]
    vector_axes = [axis + len(shape) - len(small) for axis, size in enumerate(small) if size > 1]
    broadcast = int(np.prod(small)) < a.positions.size and names[1] not in builder.network.constants
    if broadcast and len(vector_axes) != 1:
        raise UnsupportedError(
            "only factors of the same shape or one per channel are supported: expand the smaller operand"
        )
    order = builder.order(a, last=vector_axes[0] if broadcast else None)
    left = builder.stored(a, order)
    if broadcast:
        b = builder.values[names[1]]
        vector = Value(b.tensor, b.positions.reshape((1,) * (len(shape) - 1) + (-1,)))
        right = builder.stored(vector, tuple(range(len(shape))))
    else:
        right = builder.stored(_operand(builder, names[1], shape, order), order)
    y = builder.declare(node, shape, order)
    qa, qb, qy = (
        builder.tensor_quantization(left),
        builder.tensor_quantization(right),
        builder.quantization(node.output),
    )
    requant = requantization(qa.scale * qb.scale / qy.scale, qy.zero_point, *builder.limits(node))
    builder.emit(ir.Mul(node.name, (left, right), y.tensor, qa.zero_point, qb.zero_point, requant))
    return y


def _operand(builder: Builder, name: str, shape: tuple[int, ...], order: Order) -> Value:
    """An activation as it is, or a constant expanded to ``shape``."""
    constant = builder.network.constants.get(name)
    if constant is None:
        return builder.values[name]
    integers, quantization = _quantized(constant)
    return constant_value(builder, name, np.broadcast_to(integers, shape), quantization, order)


def _quantized(constant: Constant) -> tuple[ir.Int8Array, Quantization]:
    """A constant in INT8: as the model quantizes it where that is one scale and 8 bits, else on a symmetric scale of
    its own."""
    if constant.scale is not None and constant.scale.size == 1:
        low, high = int(constant.values.min()), int(constant.values.max())
        zero_point = 0 if low >= -128 and high <= 127 else -128 - low
        if high + zero_point <= 127 and -128 <= zero_point <= 127:
            return (constant.values + zero_point).astype(np.int8), Quantization(
                float(constant.scale.reshape(())), zero_point
            )
    real = constant.real
    scale = float(np.abs(real).max()) / 127 or 1.0
    return np.rint(real / scale).astype(np.int8), Quantization(scale, 0)


def constant_value(
    builder: Builder, name: str, integers: ir.Int8Array, quantization: Quantization, order: Order
) -> Value:
    """A Constant operator that writes ``integers`` with its axes in ``order``."""
    stored = np.ascontiguousarray(integers.transpose(order))
    tensor = builder.add_tensor(name, stored.shape, quantization)
    builder.emit(ir.Constant(tensor, (), tensor, stored))
    return Value(tensor, in_order(integers.shape, order))
