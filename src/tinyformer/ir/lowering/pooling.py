"""Lowering of pooling: windows, the whole image, means over any axes."""

from __future__ import annotations

import numpy as np

from tinyformer.ir import graph as ir
from tinyformer.ir.arithmetic import average_pool_requantization
from tinyformer.ir.lowering.builder import Builder, Value
from tinyformer.ir.lowering.geometry import window_parameters
from tinyformer.ir.lowering.layout import CHANNELS_LAST, Order, in_order
from tinyformer.ir.lowering.network import Node
from tinyformer.ir.lowering.problems import UnsupportedError
from tinyformer.ir.windows import window_counts


def lower_average_pool(builder: Builder, node: Node) -> Value:
    """AveragePool over one or two dimensions."""
    x, (kernel, stride, padding) = _image(builder, node)
    shape = _image_shape(builder.network.shapes[node.output])
    counts = window_counts(x.shape[2:], kernel, stride, padding, shape[2:])
    counted = bool(node.attributes.get("count_include_pad", 0))
    if counts.min() < 1:
        raise UnsupportedError("it has windows that lie wholly in the padding")
    if counted and node.attributes.get("ceil_mode", 0):
        raise UnsupportedError("ceil_mode together with count_include_pad is not supported")
    uniform = counted or bool(np.all(counts == kernel[0] * kernel[1]))
    y = _emit_average(builder, node, x, shape, (kernel, stride, padding), uniform=uniform)
    return Value(y.tensor, y.positions.reshape(builder.network.shapes[node.output]))


def lower_mean(builder: Builder, node: Node) -> Value:
    """GlobalAveragePool and ReduceMean: one window over all reduced axes."""
    x = builder.values[node.inputs[0]]
    rank = len(x.shape)
    reduced = _reduced_axes(builder, node, rank)
    if 0 in reduced and x.shape[0] > 1:
        raise UnsupportedError("means over the batch are not supported")
    kept = [axis for axis in range(rank) if axis not in reduced]
    axes = [axis for axis in reduced if axis or rank == 1]
    if rank == 4 and axes == [2, 3]:
        image = x
    else:
        # The reduced axes become the rows of an image of width 1, the others its channels.
        order: Order = (*kept, *axes)
        channels = int(np.prod([x.shape[axis] for axis in kept]))
        image = Value(x.tensor, x.positions.transpose(order).reshape(1, channels, -1, 1))
    kernel = (image.shape[2], image.shape[3])
    shape = (1, image.shape[1], 1, 1)
    y = _emit_average(builder, node, image, shape, (kernel, kernel, (0, 0, 0, 0)), uniform=True)
    return Value(y.tensor, y.positions.reshape(builder.network.shapes[node.output]))


def lower_max_pool(builder: Builder, node: Node) -> Value:
    """MaxPool and GlobalMaxPool; a change of scale costs a table."""
    if node.operator == "GlobalMaxPool":
        x = builder.values[node.inputs[0]]
        if len(x.shape) != 4:
            raise UnsupportedError("only images are supported")
        kernel, stride, padding = (x.shape[2], x.shape[3]), (1, 1), (0, 0, 0, 0)
    else:
        if set(node.attributes.get("dilations", [1])) != {1}:
            raise UnsupportedError("dilated pooling is not supported")
        x, (kernel, stride, padding) = _image(builder, node)
    shape = _image_shape(builder.network.shapes[node.output])
    if window_counts(x.shape[2:], kernel, stride, padding, shape[2:]).min() < 1:
        raise UnsupportedError("it has windows that lie wholly in the padding")
    stored = builder.stored(x, CHANNELS_LAST)
    quantization = builder.tensor_quantization(x.tensor)
    tensor = builder.add_tensor(node.output, tuple(shape[axis] for axis in CHANNELS_LAST), quantization)
    builder.emit(ir.MaxPool2D(node.name, (stored,), tensor, kernel, stride, padding))
    y = Value(tensor, in_order(shape, CHANNELS_LAST).reshape(builder.network.shapes[node.output]))
    return builder.requantized(y, builder.quantization(node.output), node.output)


_Window = tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]
"""Kernel, stride, padding."""


def _emit_average(
    builder: Builder, node: Node, x: Value, shape: tuple[int, ...], window: _Window, *, uniform: bool
) -> Value:
    kernel, stride, padding = window
    cells = kernel[0] * kernel[1]
    if cells * 255 >= 2**31:
        raise UnsupportedError("its 32-bit accumulator can overflow")
    stored = builder.stored(x, CHANNELS_LAST)
    before, after = builder.tensor_quantization(x.tensor), builder.quantization(node.output)
    requant = average_pool_requantization(before.scale, after.scale, after.zero_point, cells, uniform)
    low, high = builder.limits(node)
    y = builder.declare(node, shape, CHANNELS_LAST)
    requant = ir.Requantization(requant.multipliers, requant.shift, requant.zero_point, low, high)
    builder.emit(ir.AveragePool2D(node.name, (stored,), y.tensor, kernel, stride, padding, before.zero_point, requant))
    return y


def _image(builder: Builder, node: Node) -> tuple[Value, _Window]:
    """The input as an image, and the window over it; sequences have height 1."""
    x = builder.values[node.inputs[0]]
    kernel = tuple(node.attributes["kernel_shape"])
    if len(kernel) not in (1, 2) or len(x.shape) != len(kernel) + 2:
        raise UnsupportedError("only pooling over one or two dimensions is supported")
    stride, padding, _ = window_parameters(node, x.shape, kernel)
    if len(kernel) == 1:
        return Value(x.tensor, x.positions[:, :, None]), ((1, kernel[0]), stride, padding)
    return x, ((kernel[0], kernel[1]), stride, padding)


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
