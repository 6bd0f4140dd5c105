"""Lowering of operators that cut and join tensors: slices, concatenation, padding."""

from __future__ import annotations

import numpy as np

from tinyformer.ir import graph as ir
from tinyformer.ir.arithmetic import quantize
from tinyformer.ir.lowering.builder import Builder, Value
from tinyformer.ir.lowering.elementwise import constant_value
from tinyformer.ir.lowering.fusion import pad_widths
from tinyformer.ir.lowering.layout import in_order
from tinyformer.ir.lowering.network import Node
from tinyformer.ir.lowering.problems import UnsupportedError


def lower_slice(builder: Builder, node: Node) -> Value:
    """Slice and Split: one integer Slice per axis that is really cut."""
    x = builder.values[node.inputs[0]]
    for axis, begin, end in _ranges(builder, node, x.shape):
        x = _cut(builder, node, x, axis, begin, end)
    return builder.requantized(x, builder.quantization(node.output), node.output)


def lower_gather(builder: Builder, node: Node) -> Value:
    """Gather of neighbouring constant indices: a Slice."""
    x = builder.values[node.inputs[0]]
    real = builder.network.real_input(node, 1)
    if real is None:
        raise UnsupportedError("its indices are computed at run time")
    axis = node.attributes.get("axis", 0) % len(x.shape)
    size = x.shape[axis]
    indices = real.reshape(-1).astype(np.int64) % size
    if not np.array_equal(indices, np.arange(indices[0], indices[0] + len(indices))):
        raise UnsupportedError("only neighbouring indices in rising order are supported")
    y = _cut(builder, node, x, axis, int(indices[0]), int(indices[-1]) + 1)
    y = Value(y.tensor, y.positions.reshape(builder.network.shapes[node.output]))
    return builder.requantized(y, builder.quantization(node.output), node.output)


def _ranges(builder: Builder, node: Node, shape: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """(axis, begin, end) of every axis."""
    if "begin" in node.attributes:
        return [(node.attributes["axis"], node.attributes["begin"], node.attributes["end"])]
    starts, ends, axes, steps = (builder.network.real_input(node, i) for i in range(1, 5))
    if starts is None or ends is None:
        raise UnsupportedError("its bounds are computed at run time")
    which = np.arange(len(starts)) if axes is None else axes
    ranges = []
    for i, axis in enumerate(int(a) % len(shape) for a in which):
        step = 1 if steps is None else int(steps[i])
        if step != 1:
            raise UnsupportedError(f"slices with step {step} are not supported: use a stride in the layer before it")
        begin, end, _ = slice(int(starts[i]), int(ends[i])).indices(shape[axis])
        ranges.append((axis, begin, end))
    return ranges


def _cut(builder: Builder, node: Node, x: Value, axis: int, begin: int, end: int) -> Value:
    if (begin, end) == (0, x.shape[axis]):
        return x
    if begin >= end:
        raise UnsupportedError("it selects nothing")
    order = builder.order(x)
    shape = tuple(end - begin if i == axis else size for i, size in enumerate(x.shape))
    place, stored_shape = _few_axes(tuple(shape[i] for i in order), order.index(axis))
    _, source_shape = _few_axes(tuple(x.shape[i] for i in order), order.index(axis))
    stored = builder.reshaped(builder.stored(x, order), source_shape)
    tensor = builder.add_tensor(node.output, stored_shape, builder.tensor_quantization(x.tensor))
    builder.emit(ir.Slice(node.name, (stored,), tensor, place, begin, end))
    return Value(tensor, in_order(shape, order))


def _few_axes(shape: tuple[int, ...], axis: int) -> tuple[int, tuple[int, ...]]:
    """``axis`` and ``shape`` with the axes around it merged, if there are more than an operator may see."""
    if len(shape) <= ir.LARGEST_RANK:
        return axis, shape
    return 1, (int(np.prod(shape[:axis])), shape[axis], int(np.prod(shape[axis + 1 :])))


def lower_concat(builder: Builder, node: Node) -> Value:
    """Concat: inputs on other scales go through tables, constants are quantized to the output's."""
    quantization = builder.quantization(node.output)
    shape = builder.network.shapes[node.output]
    axis = node.attributes["axis"] % len(shape)
    values = {
        name: builder.requantized(builder.values[name], quantization, f"{name}.rescaled")
        for name in dict.fromkeys(builder.network.activations(node))
    }
    order = builder.order(max(values.values(), key=lambda value: value.positions.size))
    stored = []
    for name in node.inputs:
        if name in values:
            stored.append(builder.stored(values[name], order))
        else:
            real = builder.network.constants[name].real
            constant = quantize(real, *quantization)
            stored.append(builder.stored(constant_value(builder, name, constant, quantization, order), order))
    place, stored_shape = _few_axes(tuple(shape[i] for i in order), order.index(axis))
    parts = []
    for name in stored:
        part_shape = builder.graph.tensors[name].shape
        parts.append(builder.reshaped(name, _few_axes(part_shape, order.index(axis))[1]))
    tensor = builder.add_tensor(node.output, stored_shape, quantization)
    builder.emit(ir.Concat(node.name, tuple(parts), tensor, place))
    return Value(tensor, in_order(shape, order))


def lower_pad(builder: Builder, node: Node) -> Value:
    """Constant padding."""
    if node.attributes.get("mode", "constant") != "constant":
        raise UnsupportedError(f"padding mode {node.attributes['mode']!r} is not supported: use constant")
    widths = pad_widths(builder.network, node)
    if widths is None:
        raise UnsupportedError("its widths are computed at run time")
    before, after, real = widths
    if min(before + after) < 0:
        raise UnsupportedError("negative padding is not supported: slice the input instead")
    quantization = builder.quantization(node.output)
    x = builder.requantized(builder.values[node.inputs[0]], quantization, f"{node.inputs[0]}.rescaled")
    if not any(before + after):
        return x
    if len(x.shape) > ir.LARGEST_RANK:
        raise UnsupportedError(f"padding of more than {ir.LARGEST_RANK} dimensions is not supported: reshape before it")
    order = builder.order(x)
    stored = builder.stored(x, order)
    y = builder.declare(node, builder.network.shapes[node.output], order)
    value = int(quantize(real, *quantization))
    builder.emit(
        ir.Pad(
            name=node.name,
            inputs=(stored,),
            output=y.tensor,
            before=tuple(before[axis] for axis in order),
            after=tuple(after[axis] for axis in order),
            value=value,
        )
    )
    return y
