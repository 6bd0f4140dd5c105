# SPDX-License-Identifier: Apache-2.0
"""Element-wise operators on several operands, and the lowering of tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tinyformer.ir import graph as ir
from tinyformer.ir.arithmetic import add_parameters, lut, quantize_multiplier, requantization
from tinyformer.ir.lowering.builder import Builder, Value
from tinyformer.ir.lowering.function import Attributes, Case, Function, RealFunction, Scale
from tinyformer.ir.lowering.functions import table
from tinyformer.ir.lowering.layout import Order, in_order
from tinyformer.ir.lowering.network import Constant, Node
from tinyformer.ir.lowering.problems import UnsupportedError
from tinyformer.ir.operators.elementwise import ZERO_DIVISOR, Div, PRelu
from tinyformer.ir.quantization import Quantization


def lower_unary(builder: Builder, node: Node) -> Value:
    """A function of one tensor: a table, in whatever order the tensor is stored."""
    x, quantization = builder.values[node.inputs[0]], builder.quantization(node.output)
    before, away = builder.tensor_quantization(x.tensor), builder.network.ties_away
    return _tabled(builder, node, lut(node.attributes["function"], before, quantization, ties_away=away))


def _tabled(builder: Builder, node: Node, table: ir.Int8Array) -> Value:
    x, quantization = builder.values[node.inputs[0]], builder.quantization(node.output)
    order = builder.order(x)
    stored = builder.stored(x, order)
    y = Value(
        builder.add_tensor(node.output, builder.graph.tensors[stored].shape, quantization), in_order(x.shape, order)
    )
    builder.emit(ir.Lut(node.name, (stored,), y.tensor, table))
    return Value(y.tensor, y.positions.reshape(builder.network.shapes[node.output]))


def lower_table(builder: Builder, node: Node) -> Value:
    """A table that the importer has made."""
    return _tabled(builder, node, node.attributes["table"])


def lower_add(builder: Builder, node: Node) -> Value:
    """Add and Sub of two tensors, one of which may be constant; a smaller one is repeated."""
    left, right, order = _pair(builder, node)
    sign = -1 if node.operator == "Sub" else 1
    p = add_parameters(
        builder.tensor_quantization(left), builder.tensor_quantization(right), builder.quantization(node.output), sign
    )
    y = builder.declare(node, builder.network.shapes[node.output], order)
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
    """Product of two tensors; a vector over the axis stored last (squeeze and excite) is read as it is, any other
    smaller one is repeated."""
    shape = builder.network.shapes[node.output]
    names = list(node.inputs)
    if builder.network.shapes[names[0]] != shape or names[0] in builder.network.constants:
        names.reverse()
    small = builder.network.shapes[names[1]]
    vector_axes = [axis + len(shape) - len(small) for axis, size in enumerate(small) if size > 1]
    broadcast = (
        names[0] in builder.values
        and names[1] in builder.values
        and builder.values[names[0]].shape == shape
        and int(np.prod(small)) < int(np.prod(shape))
        and len(vector_axes) == 1
    )
    if broadcast:
        a, b = builder.values[names[0]], builder.values[names[1]]
        order = builder.order(a, last=vector_axes[0])
        left = builder.stored(a, order)
        vector = Value(b.tensor, b.positions.reshape((1,) * (len(shape) - 1) + (-1,)))
        right = builder.stored(vector, tuple(range(len(shape))))
    else:
        left, right, order = _pair(builder, node)
    y = builder.declare(node, shape, order)
    qa, qb, qy = (
        builder.tensor_quantization(left),
        builder.tensor_quantization(right),
        builder.quantization(node.output),
    )
    requant = requantization(qa.scale * qb.scale / qy.scale, qy.zero_point, *builder.limits(node))
    builder.emit(ir.Mul(node.name, (left, right), y.tensor, qa.zero_point, qb.zero_point, requant))
    return y


def lower_div(builder: Builder, node: Node) -> Value:
    """Quotient of two tensors; by constants, the product with their reciprocals."""
    constant = builder.network.constants.get(node.inputs[1])
    if constant is not None:
        if np.any(constant.real == 0):
            raise UnsupportedError("it divides by a constant 0: remove it")
        reciprocal = f"{node.inputs[1]}.reciprocal"
        builder.network.constants[reciprocal] = Constant(1 / constant.real)
        builder.network.shapes[reciprocal] = constant.values.shape
        return lower_mul(builder, replace(node, operator="Mul", inputs=[node.inputs[0], reciprocal]))
    left, right, order = _pair(builder, node)
    qa, qb, qy = (
        builder.tensor_quantization(left),
        builder.tensor_quantization(right),
        builder.quantization(node.output),
    )
    divisors = np.arange(-128, 128) - qb.zero_point
    safe = np.where(divisors == 0, 1, divisors)
    multipliers, shift = quantize_multiplier(qa.scale / (qb.scale * qy.scale * np.abs(safe)))
    signed = np.where(divisors == 0, ZERO_DIVISOR, np.sign(safe) * multipliers.astype(np.int64)).astype(np.int32)
    requant = ir.Requantization(multipliers[:1], shift, qy.zero_point, *builder.limits(node))
    y = builder.declare(node, builder.network.shapes[node.output], order)
    builder.emit(Div(node.name, (left, right), y.tensor, qa.zero_point, signed, requant))
    return y


def lower_extremum(builder: Builder, node: Node) -> Value:
    """Max and Min of any number of tensors, on the scale of the result."""
    shape, quantization = builder.network.shapes[node.output], builder.quantization(node.output)
    largest = max(
        (builder.values[name] for name in builder.network.activations(node)), key=lambda value: value.positions.size
    )
    order = builder.order(largest) if largest.shape == shape else tuple(range(len(shape)))
    parts = []
    for name in node.inputs:
        constant = builder.network.constants.get(name)
        if constant is None:
            # The clamp of the larger one is the larger of the clamped ones.
            rescaled = f"{node.output}.{name}.rescaled"
            value = builder.requantized(builder.values[name], quantization, rescaled, node.clamp)
        else:
            integers = quantization.quantize(np.clip(np.broadcast_to(constant.real, shape), *node.clamp))
            value = constant_value(builder, name, integers, quantization, order)
        parts.append(_repeated(builder, value, shape, order, f"{node.output}.{name}"))
    y = parts[0]
    for other in parts[1:]:
        stored = tuple(shape[axis] for axis in order)
        tensor = builder.add_tensor(node.output, stored, quantization)
        builder.emit(ir.Extremum(node.name, (y, other), tensor, node.operator == "Max"))
        y = tensor
    return Value(y, in_order(shape, order))


def _pair(builder: Builder, node: Node) -> tuple[str, str, Order]:
    """Both operands in the shape of the result and in one order of axes; that order."""
    shape = builder.network.shapes[node.output]
    largest = max(
        (builder.values[name] for name in builder.network.activations(node)), key=lambda value: value.positions.size
    )
    order = builder.order(largest) if largest.shape == shape else tuple(range(len(shape)))
    left, right = (
        _repeated(builder, _operand(builder, name, shape, order), shape, order, f"{node.output}.{name}")
        for name in node.inputs
    )
    return left, right, order


def _repeated(builder: Builder, value: Value, shape: tuple[int, ...], order: Order, name: str) -> str:
    """The tensor that holds ``value`` in ``shape`` with its axes in ``order``, repeated where it is smaller."""
    if value.shape == shape:
        return builder.stored(value, order)
    full = np.broadcast_to(value.positions, shape)
    return builder.stored(builder.rearranged(Node("Expand", name, [], name), value, full), order)


def lower_prelu(builder: Builder, node: Node) -> Value:
    """One slope a channel, the channels last in the storage; a single slope is part of an island."""
    x = builder.values[node.inputs[0]]
    slopes = builder.network.real_input(node, 1)
    if slopes is None:
        raise UnsupportedError("its slopes must be constants")
    axes = [axis + len(x.shape) - slopes.ndim for axis, size in enumerate(slopes.shape) if size > 1]
    if len(axes) > 1:
        raise UnsupportedError("its slopes differ along several axes: share them but for the channels")
    axis = axes[0] if axes else len(x.shape) - 1
    order = builder.order(x, last=axis)
    stored = builder.stored(x, order)
    before, after = builder.tensor_quantization(stored), builder.quantization(node.output)
    signed = np.append(np.broadcast_to(slopes.reshape(-1), x.shape[axis]), 1.0)
    multipliers, shift = quantize_multiplier(np.abs(signed) * before.scale / after.scale)
    requant = ir.Requantization(multipliers[-1:], shift, after.zero_point, *builder.limits(node))
    negative = np.where(signed < 0, -multipliers, multipliers)[:-1]
    y = builder.declare(node, x.shape, order)
    builder.emit(PRelu(node.name, (stored,), y.tensor, before.zero_point, negative, requant))
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


def _reduced(member: str) -> RealFunction:
    """Max and Min of any number of operands."""

    def reduce(xp: Any, a: Attributes, x: Any, *others: Any) -> Any:
        for other in others:
            x = getattr(xp, member)(x, other)
        return x

    return reduce


FUNCTIONS = (
    Function(
        "Add",
        "Add, Lut, part of the layer before it",
        Case(("x",)),
        lower=lower_add,
        real=lambda xp, a, x, y: x + y,
        clamps=True,
        scale=Scale.OBSERVED,
        tflite=("ADD",),
    ),
    Function(
        "Sub",
        "Add, Lut, part of the layer before it",
        Case(((1, 8, 6, 6),)),
        lower=lower_add,
        real=lambda xp, a, x, y: x - y,
        clamps=True,
        scale=Scale.OBSERVED,
        tflite=("SUB",),
    ),
    Function(
        "Mul",
        "Mul, Lut, part of the layer before it",
        Case(("x",)),
        lower=lower_mul,
        real=lambda xp, a, x, y: x * y,
        clamps=True,
        scale=Scale.OBSERVED,
        tflite=("MUL",),
    ),
    Function(
        "Div",
        "Div, Mul, Lut, part of the layer before it",
        Case(((1, 8, 6, 6),), positive=True),
        lower=lower_div,
        real=lambda xp, a, x, y: x / y,
        clamps=True,
        scale=Scale.OBSERVED,
        tflite=("DIV",),
    ),
    Function(
        "Max",
        "Lut, Extremum",
        Case(((),)),
        lower=lower_extremum,
        real=_reduced("maximum"),
        clamps=True,
        scale=Scale.OBSERVED,
        tflite=("MAXIMUM",),
    ),
    Function(
        "Min",
        "Lut, Extremum",
        Case(((),)),
        lower=lower_extremum,
        real=_reduced("minimum"),
        clamps=True,
        scale=Scale.OBSERVED,
        tflite=("MINIMUM",),
    ),
    Function(
        "PRelu",
        "PRelu, Lut",
        Case(((8, 1, 1),)),
        lower=lower_prelu,
        real=lambda xp, a, x, slope: xp.where(x < 0, slope * x, x),
        clamps=True,
        scale=Scale.OBSERVED,
        tflite=("PRELU",),
    ),
    Function(
        "Table",
        "Lut",
        lower=lower_table,
        attributes=("table",),
        unquantized="ONNX has no such operator",
    ),
    table("Pow", lambda xp, a, x, y: xp.pow(x, y), Case(((),), positive=True), tflite=("POW",)),
)
