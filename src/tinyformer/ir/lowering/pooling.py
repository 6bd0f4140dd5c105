# SPDX-License-Identifier: Apache-2.0
"""Lowering of pooling: windows, the whole image, means over any axes."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np

from tinyformer.ir import graph as ir
from tinyformer.ir.arithmetic import (
    LARGEST_EXACT_MEAN,
    average_pool_requantization,
    mean_away_from_zero,
    requantization,
)
from tinyformer.ir.lowering.builder import Builder, Value
from tinyformer.ir.lowering.function import Case, Function, Scale
from tinyformer.ir.lowering.geometry import one_image, window_parameters
from tinyformer.ir.lowering.layout import CHANNELS_LAST, Order, in_order
from tinyformer.ir.lowering.network import Node
from tinyformer.ir.lowering.problems import UnsupportedError
from tinyformer.ir.windows import window_counts

_Window: TypeAlias = tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]
"""Kernel, stride, padding."""


def lower_average_pool(builder: Builder, node: Node) -> Value:
    """AveragePool over one or two dimensions; with dilations it is a depthwise convolution of ones."""
    dilated = any(step != 1 for step in node.attributes.get("dilations", ()))
    counted = bool(node.attributes.get("count_include_pad", 0))
    if counted and node.attributes.get("ceil_mode", 0):
        node = _with_padding_before(builder, node)
    x, (kernel, stride, padding), dilation = _image(builder, node)
    shape = _image_shape(builder.network.shapes[node.output])
    if dilated:
        if any(padding) and not counted:
            raise UnsupportedError("dilations with padding that is not counted are not supported: pad before it")
        return _dilated_average(builder, node, x, shape, (kernel, stride, padding), dilation)
    counts = window_counts(x.shape[2:], kernel, stride, padding, shape[2:])
    if counts.min() < 1:
        raise UnsupportedError("it has windows that lie wholly in the padding: reduce the padding")
    counted = bool(node.attributes.get("count_include_pad", 0))
    uniform = counted or bool(np.all(counts == kernel[0] * kernel[1]))
    y = _emit_average(builder, node, x, shape, (kernel, stride, padding), uniform=uniform)
    return Value(y.tensor, y.positions.reshape(builder.network.shapes[node.output]))


def _with_padding_before(builder: Builder, node: Node) -> Node:
    """``node`` behind a Pad: its padding counts, the cells that ceil_mode adds do not."""
    x = builder.values[node.inputs[0]]
    rank = len(node.attributes["kernel_shape"])
    pads = [int(pad) for pad in node.attributes.get("pads", [0] * (2 * rank))]
    grow = [(0, 0), (0, 0), *((pads[i], pads[rank + i]) for i in range(rank))]
    zero = builder.tensor_quantization(x.tensor).zero_point
    positions = np.pad(x.positions, grow, constant_values=-1)
    name = f"{node.name}.padded"
    builder.values[name] = builder.rearranged(Node("Pad", name, [], name), x, positions, fill=zero)
    attributes = {**node.attributes, "pads": [0] * (2 * rank), "count_include_pad": 0}
    return replace(node, inputs=[name], attributes=attributes)


def _dilated_average(
    builder: Builder, node: Node, x: Value, shape: tuple[int, ...], window: _Window, dilation: tuple[int, int]
) -> Value:
    kernel, stride, padding = window
    stored = builder.stored(x, CHANNELS_LAST)
    before, after = builder.tensor_quantization(x.tensor), builder.quantization(node.output)
    weights = np.ones((*kernel, x.shape[1]), np.int8)
    cells = kernel[0] * kernel[1]
    bias = np.full(x.shape[1], -before.zero_point * cells, np.int32)
    requant = requantization(before.scale / (after.scale * cells), after.zero_point, *builder.limits(node))
    y = builder.declare(node, shape, CHANNELS_LAST)
    builder.emit(
        ir.DepthwiseConv2D(
            name=node.name, inputs=(stored,), output=y.tensor, weights=weights, bias=bias, stride=stride,
            padding=padding, dilation=dilation, pad_value=before.zero_point, requantization=requant,
        )
    )  # fmt: skip
    return Value(y.tensor, y.positions.reshape(builder.network.shapes[node.output]))


def lower_mean(builder: Builder, node: Node) -> Value:
    """GlobalAveragePool and ReduceMean: one window over all reduced axes."""
    return _reduced(builder, node, total=False)


def _reduced(builder: Builder, node: Node, *, total: bool) -> Value:
    x = builder.values[node.inputs[0]]
    image, cells = _rows_of(builder, node, x)
    kernel = (image.shape[2], image.shape[3])
    shape = (1, image.shape[1], 1, 1)
    factor = cells if total else 1
    y = _emit_average(builder, node, image, shape, (kernel, kernel, (0, 0, 0, 0)), uniform=True, factor=factor)
    return Value(y.tensor, y.positions.reshape(builder.network.shapes[node.output]))


def _rows_of(builder: Builder, node: Node, x: Value) -> tuple[Value, int]:
    """The input as an image whose rows and columns are the reduced axes, and their number of cells."""
    rank = len(x.shape)
    reduced = _reduced_axes(builder, node, rank)
    cells = int(np.prod([x.shape[axis] for axis in reduced]))
    kept = [axis for axis in range(rank) if axis not in reduced]
    axes = [axis for axis in reduced if x.shape[axis] > 1 or axis > 0 or rank == 1]
    if rank == 4 and axes == [2, 3] and x.shape[0] == 1:
        return x, cells
    # The reduced axes become the rows of an image of width 1, the others its channels.
    order: Order = (*kept, *axes)
    channels = int(np.prod([x.shape[axis] for axis in kept]))
    return Value(x.tensor, x.positions.transpose(order).reshape(1, channels, -1, 1)), cells


def lower_sum(builder: Builder, node: Node) -> Value:
    """ReduceSum: a mean times the number of elements."""
    return _reduced(builder, node, total=True)


def lower_extreme(builder: Builder, node: Node) -> Value:
    """ReduceMax and ReduceMin: one window over all reduced axes; the least is the negative of the largest negative."""
    x = builder.values[node.inputs[0]]
    image, _ = _rows_of(builder, node, x)
    kernel = (image.shape[2], image.shape[3])
    stored = builder.stored(image, CHANNELS_LAST)
    quantization = builder.tensor_quantization(x.tensor)
    least = node.operator == "ReduceMin"
    reversal = np.arange(127, -129, -1).astype(np.int8)  # q -> -1 - q, its own inverse
    if least:
        turned = builder.add_tensor(f"{node.output}.reversed", builder.graph.tensors[stored].shape, quantization)
        builder.emit(ir.Lut(f"{node.name}.reversed", (stored,), turned, reversal))
        stored = turned
    shape = (1, 1, 1, image.shape[1])
    tensor = builder.add_tensor(node.output, shape, quantization)
    builder.emit(ir.MaxPool2D(node.name, (stored,), tensor, kernel, kernel, (0, 0, 0, 0)))
    if least:
        turned = builder.add_tensor(node.output, shape, quantization)
        builder.emit(ir.Lut(f"{node.name}.restored", (tensor,), turned, reversal))
        tensor = turned
    positions = in_order((1, image.shape[1], 1, 1), CHANNELS_LAST)
    y = Value(tensor, positions.reshape(builder.network.shapes[node.output]))
    return builder.requantized(y, builder.quantization(node.output), node.output)


def lower_max_pool(builder: Builder, node: Node) -> Value:
    """MaxPool and GlobalMaxPool; a change of scale costs a table."""
    if node.operator == "GlobalMaxPool":
        x = builder.values[node.inputs[0]]
        if len(x.shape) != 4:
            raise UnsupportedError("only images are supported")
        one_image(x.shape)
        kernel, stride, padding = (x.shape[2], x.shape[3]), (1, 1), (0, 0, 0, 0)
    else:
        x, (kernel, stride, padding), _ = _image(builder, node)
    shape = _image_shape(builder.network.shapes[node.output])
    if window_counts(x.shape[2:], kernel, stride, padding, shape[2:]).min() < 1:
        raise UnsupportedError("it has windows that lie wholly in the padding")
    stored = builder.stored(x, CHANNELS_LAST)
    quantization = builder.tensor_quantization(x.tensor)
    tensor = builder.add_tensor(node.output, tuple(shape[axis] for axis in CHANNELS_LAST), quantization)
    builder.emit(ir.MaxPool2D(node.name, (stored,), tensor, kernel, stride, padding))
    y = Value(tensor, in_order(shape, CHANNELS_LAST).reshape(builder.network.shapes[node.output]))
    return builder.requantized(y, builder.quantization(node.output), node.output)


def _emit_average(
    builder: Builder,
    node: Node,
    x: Value,
    shape: tuple[int, ...],
    window: _Window,
    *,
    uniform: bool,
    factor: int = 1,
) -> Value:
    kernel, stride, padding = window
    cells = kernel[0] * kernel[1]
    if cells * 255 >= 2**31:
        raise UnsupportedError("its 32-bit accumulator can overflow")
    stored = builder.stored(x, CHANNELS_LAST)
    before, after = builder.tensor_quantization(x.tensor), builder.quantization(node.output)
    low, high = builder.limits(node)
    zero = before.zero_point
    if builder.network.ties_away and before == after and factor == 1 and cells <= LARGEST_EXACT_MEAN:
        requant, zero = mean_away_from_zero(cells, uniform), 0
    else:
        requant = average_pool_requantization(factor * before.scale, after.scale, after.zero_point, cells, uniform)
    right_shift = 0
    if "fixed_point" in node.attributes:
        multiplier, shift = node.attributes["fixed_point"]
        if shift >= -31:
            # The left shift is one more, because the product loses 32 bits here and 31 there.
            requant = ir.Requantization(np.array([multiplier], np.int32), max(shift, 0) + 1, after.zero_point)
            zero, right_shift = before.zero_point, max(-shift, 0)
    y = builder.declare(node, shape, CHANNELS_LAST)
    requant = ir.Requantization(requant.multipliers, requant.shift, requant.zero_point, low, high)
    builder.emit(ir.AveragePool2D(node.name, (stored,), y.tensor, kernel, stride, padding, zero, requant, right_shift))
    return y


def _image(builder: Builder, node: Node) -> tuple[Value, _Window, tuple[int, int]]:
    """The input as an image, the window over it and its dilation; sequences have height 1."""
    x = builder.values[node.inputs[0]]
    kernel = tuple(node.attributes["kernel_shape"])
    if len(kernel) not in (1, 2) or len(x.shape) != len(kernel) + 2:
        raise UnsupportedError("only pooling over one or two dimensions is supported")
    stride, padding, dilation = window_parameters(node, x.shape, kernel)
    if len(kernel) == 1:
        return Value(x.tensor, x.positions[:, :, None]), ((1, kernel[0]), stride, padding), dilation
    return x, ((kernel[0], kernel[1]), stride, padding), dilation


def _image_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:2], 1, shape[2]) if len(shape) == 3 else shape


def _reduced_axes(builder: Builder, node: Node, rank: int) -> list[int]:
    if node.operator == "GlobalAveragePool":
        return list(range(2, rank))
    axes = node.attributes.get("axes")
    if axes is None:
        constant = builder.network.real_input(node, 1)
        if constant is None:
            raise UnsupportedError("its axes are missing or computed at run time")
        axes = [int(axis) for axis in constant.reshape(-1)]
    return sorted(axis % rank for axis in axes)


_WINDOW = ("auto_pad", "ceil_mode", "kernel_shape", "pads", "strides")

FUNCTIONS = (
    Function(
        "AveragePool",
        "AveragePool2D, DepthwiseConv2D with dilations",
        Case(attributes={"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
        lower=lower_average_pool,
        attributes=(*_WINDOW, "count_include_pad", "dilations"),
        clamps=True,
        scale=Scale.OBSERVED,
        tflite=("AVERAGE_POOL_2D",),
    ),
    Function(
        "GlobalAveragePool",
        "AveragePool2D",
        Case(),
        lower=lower_mean,
        clamps=True,
        scale=Scale.OBSERVED,
    ),
    Function(
        "GlobalMaxPool",
        "MaxPool2D",
        Case(),
        lower=lower_max_pool,
        scale=Scale.KEPT,
    ),
    Function(
        "MaxPool",
        "MaxPool2D",
        Case(attributes={"kernel_shape": [2, 2], "strides": [2, 2]}),
        lower=lower_max_pool,
        attributes=(*_WINDOW, "storage_order"),
        fixed={"dilations": 1},
        scale=Scale.KEPT,
        tflite=("MAX_POOL_2D",),
    ),
    Function(
        "ReduceMean",
        "AveragePool2D",
        Case((np.array([1]),), {"keepdims": 0}, shape=(1, 6, 12)),
        lower=lower_mean,
        attributes=("axes", "fixed_point", "keepdims"),
        fixed={"noop_with_empty_axes": 0},
        clamps=True,
        scale=Scale.OBSERVED,
        tflite=("MEAN",),
    ),
    Function(
        "ReduceSum",
        "AveragePool2D",
        Case((np.array([1]),), {"keepdims": 0}, shape=(1, 6, 12)),
        lower=lower_sum,
        attributes=("axes", "keepdims"),
        fixed={"noop_with_empty_axes": 0},
        clamps=True,
        scale=Scale.OBSERVED,
        tflite=("SUM",),
    ),
    *(
        Function(
            name,
            becomes,
            Case((np.array([1]),), {"keepdims": 0}, shape=(1, 6, 12)),
            lower=lower_extreme,
            attributes=("axes", "keepdims"),
            fixed={"noop_with_empty_axes": 0},
            scale=Scale.KEPT,
            tflite=(tflite,),
        )
        for name, becomes, tflite in (
            ("ReduceMax", "MaxPool2D", "REDUCE_MAX"),
            ("ReduceMin", "MaxPool2D and Lut", "REDUCE_MIN"),
        )
    ),
)
