"""Lowering of layers with weights: convolutions of every kind, linear layers, channelwise factors."""

from __future__ import annotations

import numpy as np

from tinyformer.ir import graph as ir
from tinyformer.ir.arithmetic import accumulator_range, fits_int32, fold_bias, requantization
from tinyformer.ir.lowering.builder import Builder, Value
from tinyformer.ir.lowering.geometry import window_parameters
from tinyformer.ir.lowering.layout import CHANNELS_LAST, in_order
from tinyformer.ir.lowering.network import Node, Quantization
from tinyformer.ir.lowering.problems import UnsupportedError


def lower_convolution(builder: Builder, node: Node) -> Value:
    """Conv -> Conv2D or DepthwiseConv2D; a convolution over sequences is one over images of height 1."""
    affine = builder.network.affine[node.output]
    shape = builder.network.shapes[node.output]
    if affine.weights.ndim not in (3, 4):
        raise UnsupportedError("only convolutions over one or two dimensions are supported")
    x = builder.values[node.inputs[0]]
    weights = affine.weights
    stride, padding, dilation = window_parameters(node, x.shape, weights.shape[2:])
    if weights.ndim == 3:
        x = Value(x.tensor, x.positions[:, :, None])
        weights = weights[:, :, None]
    quantization = builder.tensor_quantization(x.tensor)
    groups = node.attributes.get("group", 1)
    channels, outputs = x.shape[1], len(weights)
    if channels != weights.shape[1] * groups or outputs % groups:
        raise UnsupportedError(f"its weights do not fit {channels} input channels in {groups} groups")
    stored = builder.stored(x, CHANNELS_LAST)
    bias, requant = _integers(builder, node, quantization)
    y = builder.declare(node, (*shape[:2], 1, *shape[2:]) if len(shape) == 3 else shape, CHANNELS_LAST)
    if groups == channels == outputs and groups > 1:
        taps = np.ascontiguousarray(weights[:, 0].transpose(1, 2, 0))
        builder.emit(
            ir.DepthwiseConv2D(
                name=node.name,
                inputs=(stored,),
                output=y.tensor,
                weights=taps,
                bias=bias,
                stride=stride,
                padding=padding,
                dilation=dilation,
                pad_value=quantization.zero_point,
                requantization=requant,
            )
        )
    else:
        builder.emit(
            ir.Conv2D(
                name=node.name,
                inputs=(stored,),
                output=y.tensor,
                weights=np.ascontiguousarray(weights.transpose(0, 2, 3, 1)),
                bias=bias,
                stride=stride,
                padding=padding,
                dilation=dilation,
                groups=groups,
                pad_value=quantization.zero_point,
                requantization=requant,
            )
        )
    return Value(y.tensor, y.positions.reshape(shape))


def lower_linear(builder: Builder, node: Node) -> Value:
    """Linear over the last axis; a single row is taken in whatever order it is stored, its weights follow."""
    affine = builder.network.affine[node.output]
    shape = builder.network.shapes[node.output]
    x = builder.values[node.inputs[0]]
    inputs = x.shape[-1]
    if affine.weights.shape[1] != inputs:
        raise UnsupportedError(f"its weights do not fit rows of {inputs} elements")
    bias, requant = _integers(builder, node, builder.tensor_quantization(x.tensor))
    weights = affine.weights
    if x.positions.size == inputs:
        weights = np.empty_like(weights)
        weights[:, x.positions.reshape(-1)] = affine.weights
        stored, order = builder.reshaped(x.tensor, x.shape), tuple(range(len(shape)))
    else:
        order = builder.order(x, last=len(x.shape) - 1)
        stored = builder.stored(x, order)
    y = builder.declare(node, shape, order)
    builder.emit(ir.Linear(node.name, (stored,), y.tensor, weights, bias, requant))
    return y


def lower_channelwise(builder: Builder, node: Node) -> Value:
    """One factor and offset a channel: a 1x1 depthwise convolution over whatever is left of the axes."""
    affine = builder.network.affine[node.output]
    axis = node.attributes["axis"]
    x = builder.values[node.inputs[0]]
    order = builder.order(x, last=axis)
    channels = x.shape[axis]
    bias, requant = _integers(builder, node, builder.tensor_quantization(x.tensor))
    image = (1, 1, x.positions.size // channels, channels)
    stored = builder.reshaped(builder.stored(x, order), image)
    tensor = builder.add_tensor(node.output, image, builder.quantization(node.output))
    builder.emit(
        ir.DepthwiseConv2D(
            name=node.name,
            inputs=(stored,),
            output=tensor,
            weights=affine.weights.reshape(1, 1, channels),
            bias=bias,
            stride=(1, 1),
            padding=(0, 0, 0, 0),
            dilation=(1, 1),
            pad_value=builder.tensor_quantization(x.tensor).zero_point,
            requantization=requant,
        )
    )
    return Value(tensor, in_order(x.shape, order))


def _integers(builder: Builder, node: Node, x: Quantization) -> tuple[ir.Int32Array, ir.Requantization]:
    """Folded bias and requantization of a layer, after the proof that its accumulators fit 32 bits."""
    affine = builder.network.affine[node.output]
    y = builder.quantization(node.output)
    wide = fold_bias(affine.bias, affine.weights, x.scale, affine.scale, x.zero_point)
    if not (fits_int32((int(wide.min()), int(wide.max()))) and fits_int32(accumulator_range(affine.weights, wide))):
        raise UnsupportedError(
            "its 32-bit accumulator can overflow: its weights' scale is too small for its bias, or it has too many "
            "inputs"
        )
    requant = requantization(x.scale * affine.scale / y.scale, y.zero_point, *builder.limits(node))
    return wide.astype(np.int32), requant
