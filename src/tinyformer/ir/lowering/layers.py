# SPDX-License-Identifier: Apache-2.0
"""Lowering of layers with weights: convolutions of every kind, linear layers, channelwise factors."""

from __future__ import annotations

import numpy as np

from tinyformer.ir import graph as ir
from tinyformer.ir.arithmetic import accumulator_range, fits_int32, fold_bias, requantization
from tinyformer.ir.lowering.builder import Builder, Value
from tinyformer.ir.lowering.function import Case, Function, Scale
from tinyformer.ir.lowering.geometry import window_parameters
from tinyformer.ir.lowering.layout import CHANNELS_LAST, in_order
from tinyformer.ir.lowering.network import Affine, Node
from tinyformer.ir.lowering.problems import UnsupportedError
from tinyformer.ir.quantization import Quantization


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
    integers, bias, requant = layer_integers(builder, node, affine, quantization)
    weights = integers.reshape(weights.shape)
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
    integers, bias, requant = layer_integers(builder, node, affine, builder.tensor_quantization(x.tensor))
    weights = integers
    if x.positions.size == inputs:
        weights = np.empty_like(integers)
        weights[:, x.positions.reshape(-1)] = integers
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
    weights, bias, requant = layer_integers(builder, node, affine, builder.tensor_quantization(x.tensor))
    image = (1, 1, x.positions.size // channels, channels)
    stored = builder.reshaped(builder.stored(x, order), image)
    tensor = builder.add_tensor(node.output, image, builder.quantization(node.output))
    builder.emit(
        ir.DepthwiseConv2D(
            name=node.name,
            inputs=(stored,),
            output=tensor,
            weights=weights.reshape(1, 1, channels),
            bias=bias,
            stride=(1, 1),
            padding=(0, 0, 0, 0),
            dilation=(1, 1),
            pad_value=builder.tensor_quantization(x.tensor).zero_point,
            requantization=requant,
        )
    )
    return Value(tensor, in_order(x.shape, order))


def layer_integers(
    builder: Builder, node: Node, affine: Affine, x: Quantization
) -> tuple[ir.Int8Array, ir.Int32Array, ir.Requantization]:
    """Weights, folded bias and requantization of a layer, after the proof that its accumulators fit 32 bits."""
    y = builder.quantization(node.output)
    affine = _with_room_for_bias(affine, x, y)
    wide = fold_bias(affine.bias, affine.weights, x.scale, affine.scale, x.zero_point)
    if not (fits_int32((int(wide.min()), int(wide.max()))) and fits_int32(accumulator_range(affine.weights, wide))):
        raise UnsupportedError(
            "its 32-bit accumulator can overflow: its weights' scale is too small for its bias, or it has too many "
            "inputs: quantize its weights with a larger scale, or split it"
        )
    requant = requantization(x.scale * affine.scale / y.scale, y.zero_point, *builder.limits(node))
    return affine.weights, wide.astype(np.int32), requant


_LARGEST_BIAS = 2.0**28
_NEGLIGIBLE = 0.05
"""LSB of the output."""


def _with_room_for_bias(affine: Affine, x: Quantization, y: Quantization) -> Affine:
    """``affine`` with a larger scale in the channels whose integer bias would not fit, where that changes nothing.

    Dead channels have weights of next to nothing and an ordinary bias; the weights, in larger steps, become 0.
    """
    needed = np.abs(affine.bias) / (x.scale * affine.scale * _LARGEST_BIAS)
    factors = np.where(needed > 1, needed, 1.0)
    if np.all(factors == 1):
        return affine
    shape = (-1, *[1] * (affine.weights.ndim - 1))
    exact = affine.weights / factors.reshape(shape)
    weights = np.rint(exact)
    lost = np.abs(exact - weights).reshape(len(weights), -1).sum(axis=1) * 255 * x.scale * affine.scale * factors
    kept = lost > _NEGLIGIBLE * y.scale
    factors = np.where(kept, 1.0, factors)
    weights = np.where(kept.reshape(shape), affine.weights, weights)
    return Affine(weights.astype(np.int8), affine.scale * factors, affine.bias)


FUNCTIONS = (
    Function(
        "Conv",
        "Conv2D, DepthwiseConv2D",
        Case(((5, 8, 3, 3), (5,)), {"pads": [1, 1, 1, 1]}),
        lower=lower_convolution,
        attributes=("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"),
        clamps=True,
        scale=Scale.WEIGHTED,
        tflite=("CONV_2D", "DEPTHWISE_CONV_2D"),
    ),
    Function(
        "Gemm",
        "Linear",
        Case(((12, 7), (7,)), shape=(1, 12)),
        lower=lower_linear,
        attributes=("alpha", "beta", "transA", "transB"),
        clamps=True,
        scale=Scale.WEIGHTED,
        tflite=("FULLY_CONNECTED",),
    ),
    Function(
        "BatchNormalization",
        "part of the layer before it, or DepthwiseConv2D",
        Case(((8,), (8,), (8,), (8,)), positive=True),
        lower=lower_channelwise,
        attributes=("epsilon", "momentum"),
        fixed={"training_mode": 0, "spatial": 1},
        clamps=True,
        scale=Scale.WEIGHTED,
    ),
)
