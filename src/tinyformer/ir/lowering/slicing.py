# SPDX-License-Identifier: Apache-2.0
"""Lowering of operators that cut and join tensors: slices, concatenation, padding."""

from __future__ import annotations

import numpy as np

from tinyformer.ir import graph as ir
from tinyformer.ir.lowering.builder import Builder, Value
from tinyformer.ir.lowering.elementwise import constant_value
from tinyformer.ir.lowering.function import Case, Function, Scale
from tinyformer.ir.lowering.geometry import pad_widths
from tinyformer.ir.lowering.layout import in_order
from tinyformer.ir.lowering.network import Node
from tinyformer.ir.lowering.problems import UnsupportedError


def lower_slice(builder: Builder, node: Node) -> Value:
    """Slice and Split: one integer Slice per axis that is really cut, a Rearrange where steps are left out."""
    x = builder.values[node.inputs[0]]
    steps = [slice(None)] * len(x.shape)
    for axis, begin, end, step in _ranges(builder, node, x.shape):
        if step == 1:
            x = _cut(builder, node, x, axis, begin, end)
        else:
            steps[axis] = slice(begin, end if end >= 0 else None, step)
    if any(step != slice(None) for step in steps):
        positions = x.positions[tuple(steps)]
        if not positions.size:
            raise UnsupportedError("it selects nothing")
        x = builder.rearranged(node, x, positions)
    return builder.requantized(x, builder.quantization(node.output), node.output)


def lower_gather(builder: Builder, node: Node) -> Value:
    """Gather of constant indices: a Slice where they are neighbours."""
    x = builder.values[node.inputs[0]]
    real = builder.network.real_input(node, 1)
    if real is None:
        raise UnsupportedError("its indices are computed at run time: only constant ones are supported")
    axis = node.attributes.get("axis", 0) % len(x.shape)
    size = x.shape[axis]
    indices = real.astype(np.int64) % size
    flat = indices.reshape(-1)
    if np.array_equal(flat, np.arange(flat[0], flat[0] + len(flat))):
        y = _cut(builder, node, x, axis, int(flat[0]), int(flat[-1]) + 1)
        y = Value(y.tensor, y.positions.reshape(builder.network.shapes[node.output]))
    else:
        y = builder.rearranged(node, x, x.positions.take(indices, axis))
    return builder.requantized(y, builder.quantization(node.output), node.output)


def _ranges(builder: Builder, node: Node, shape: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    """(axis, begin, end, step) of every axis that is cut; an end of -1 lies before the first element."""
    if "begin" in node.attributes:
        return [(node.attributes["axis"], node.attributes["begin"], node.attributes["end"], 1)]
    starts, ends, axes, steps = (builder.network.real_input(node, i) for i in range(1, 5))
    if starts is None or ends is None:
        raise UnsupportedError("its bounds are computed at run time: only constant ones are supported")
    which = np.arange(len(starts)) if axes is None else axes
    ranges = []
    for i, axis in enumerate(int(a) % len(shape) for a in which):
        step = 1 if steps is None else int(steps[i])
        ranges.append((axis, *slice(int(starts[i]), int(ends[i]), step).indices(shape[axis])))
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
            constant = quantization.quantize(real)
            stored.append(builder.stored(constant_value(builder, name, constant, quantization, order), order))
    place, stored_shape = _few_axes(tuple(shape[i] for i in order), order.index(axis))
    parts = []
    for name in stored:
        part_shape = builder.graph.tensors[name].shape
        parts.append(builder.reshaped(name, _few_axes(part_shape, order.index(axis))[1]))
    tensor = builder.add_tensor(node.output, stored_shape, quantization)
    builder.emit(ir.Concat(node.name, tuple(parts), tensor, place))
    return Value(tensor, in_order(shape, order))


_REPEATING = {"reflect": "reflect", "edge": "edge", "wrap": "wrap", "symmetric": "symmetric"}
"""Padding with elements of the input: ONNX's modes (and TensorFlow's symmetric one), and what NumPy calls them."""


def lower_pad(builder: Builder, node: Node) -> Value:
    """Padding with a constant, or with elements of the input; negative widths cut."""
    mode = node.attributes.get("mode", "constant")
    widths = pad_widths(builder.network, node)
    if widths is None:
        raise UnsupportedError("its widths are computed at run time: only constant ones are supported")
    before, after, real = widths
    quantization = builder.quantization(node.output)
    x = builder.requantized(builder.values[node.inputs[0]], quantization, f"{node.inputs[0]}.rescaled")
    if not any(before + after):
        return x
    fill = int(quantization.quantize(real))
    if mode in _REPEATING or min(before + after) < 0 or len(x.shape) > ir.LARGEST_RANK:
        cut = tuple(slice(max(0, -a), size - max(0, -b)) for a, b, size in zip(before, after, x.shape, strict=True))
        grow = [(max(0, a), max(0, b)) for a, b in zip(before, after, strict=True)]
        if mode in _REPEATING:
            positions = np.pad(x.positions[cut], grow, mode=_REPEATING[mode])  # type: ignore[call-overload]
        else:
            positions = np.pad(x.positions[cut], grow, constant_values=-1)
        return builder.rearranged(node, x, positions, fill=fill)
    order = builder.order(x)
    stored = builder.stored(x, order)
    y = builder.declare(node, builder.network.shapes[node.output], order)
    builder.emit(
        ir.Pad(
            name=node.name,
            inputs=(stored,),
            output=y.tensor,
            before=tuple(before[axis] for axis in order),
            after=tuple(after[axis] for axis in order),
            value=fill,
        )
    )
    return y


FUNCTIONS = (
    Function(
        "Concat",
        "Concat",
        Case(("x",), {"axis": 1}),
        lower=lower_concat,
        attributes=("axis",),
        scale=Scale.KEPT,
        tflite=("CONCATENATION", "PACK"),
    ),
    Function(
        "Gather",
        "Slice, Rearrange",
        Case((np.array([2, 3, 4]),), {"axis": 1}),
        lower=lower_gather,
        attributes=("axis",),
        scale=Scale.KEPT,
        tflite=("GATHER", "UNPACK"),
    ),
    Function(
        "Pad",
        "Pad, Rearrange, part of the convolution behind it",
        Case((np.array([0, 0, 1, 2, 0, 0, 0, 1]),)),
        lower=lower_pad,
        attributes=("mode",),
        scale=Scale.KEPT,
        tflite=("MIRROR_PAD", "PAD", "PADV2"),
    ),
    Function(
        "Slice",
        "Slice, Rearrange",
        Case((np.array([1, 0]), np.array([5, 4]), np.array([1, 3]))),
        lower=lower_slice,
        attributes=("axis", "begin", "end"),
        scale=Scale.KEPT,
        tflite=("REVERSE_V2", "SLICE", "STRIDED_SLICE"),
    ),
    Function(
        "Split",
        "Slice",
        Case(attributes={"axis": 1, "num_outputs": 2}, outputs=2),
        scale=Scale.KEPT,
        tflite=("SPLIT", "SPLIT_V"),
    ),
)
