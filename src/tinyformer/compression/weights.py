# SPDX-License-Identifier: Apache-2.0
"""Weights and biases of convolutions and products with constant matrices, in integers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from tinyformer.compression.float_graph import FloatGraph, attributes, describe
from tinyformer.compression.groups import Group
from tinyformer.compression.ranges import weight_scales
from tinyformer.errors import TinyFormerError

_UNITS_PER_STEP = 2.0**16
"""At most so many units of the accumulator make one step of the output; channels of mere bias would overflow it."""


@dataclass(frozen=True)
class LinearLayer:
    """A weighted group's constants: ``weights`` as (outputs, inputs / groups, taps), ``bias`` (outputs,)."""

    node: onnx.NodeProto
    source: str
    """The activation it reads."""
    channel_axis: int
    """The axis of ``source`` along which inputs are counted."""
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    groups: int
    weight_name: str
    bias_name: str
    output_axis: int
    """The axis of the ONNX weight tensor along which outputs are counted."""
    weight_shape: tuple[int, ...]


@dataclass(frozen=True)
class IntegerLayer:
    """``weights`` int8 in the ONNX tensor's shape; ``scales``, ``bias`` (int32) and ``bias_scales`` (outputs,)."""

    weights: NDArray[np.int8]
    scales: NDArray[np.float32]
    bias: NDArray[np.int32]
    bias_scales: NDArray[np.float32]


def linear_layer(group: Group, graph: FloatGraph) -> LinearLayer:
    """The constants of a weighted group. Raises :class:`TinyFormerError` for a Gemm that is more than ``x W + b``."""
    node = group.nodes[0]
    options = attributes(node)
    weight_name = node.input[1]
    tensor = graph.constants[weight_name].astype(np.float64)
    bias_name = node.input[2] if len(node.input) > 2 else ""
    if node.op_type == "Gemm" and (
        options.get("transA", 0) or options.get("alpha", 1) != 1 or options.get("beta", 1) != 1
    ):
        raise TinyFormerError(
            f"The {describe(node, graph)} scales or transposes its input; fold alpha, beta and transA away."
        )
    output_axis = 0 if node.op_type == "Conv" or options.get("transB", 0) else 1
    if node.op_type == "MatMul" and len(group.nodes) > 1 and group.nodes[1].op_type == "Add":
        bias_name = next(name for name in group.nodes[1].input if name in graph.constants)
    weights = np.moveaxis(tensor, output_axis, 0)
    outputs = len(weights)
    bias = graph.constants[bias_name].astype(np.float64).reshape(-1) if bias_name else np.zeros(outputs)
    return LinearLayer(
        node=node,
        source=node.input[0],
        channel_axis=1 if node.op_type == "Conv" else -1,
        weights=weights.reshape(outputs, weights.shape[1], -1),
        bias=np.broadcast_to(bias, (outputs,)),
        groups=options.get("group", 1),
        weight_name=weight_name,
        bias_name=bias_name,
        output_axis=output_axis,
        weight_shape=tensor.shape,
    )


def quantize_layer(layer: LinearLayer, input_scale: float, output_scale: float) -> IntegerLayer:
    """Round weights to 127 steps each side of zero, one scale an output, and the bias to units of the accumulator."""
    scales = weight_scales(layer.weights, floor=output_scale / (input_scale * _UNITS_PER_STEP))
    rounded = np.rint(layer.weights / scales[:, None, None].astype(np.float64))
    moved = rounded.reshape(len(rounded), *np.delete(layer.weight_shape, layer.output_axis))
    weights = np.clip(np.moveaxis(moved, 0, layer.output_axis), -127, 127).astype(np.int8)
    bias_scales = np.float32(input_scale) * scales
    return IntegerLayer(weights, scales, _round_bias(layer.bias, bias_scales), bias_scales)


def corrected_bias(layer: LinearLayer, integers: IntegerLayer, means: NDArray[np.float64]) -> IntegerLayer:
    """Add to the bias what rounding the weights takes from the mean output, ``means`` (inputs,) being the mean input.

    Nagel et al., arXiv 1906.04721, section 4.2; the image's border is neglected.
    """
    flat = np.moveaxis(integers.weights, layer.output_axis, 0).reshape(layer.weights.shape)
    lost = (layer.weights - flat * integers.scales[:, None, None].astype(np.float64)).sum(axis=2)
    outputs, inputs = lost.shape
    means_of_group = means.reshape(layer.groups, inputs)
    per_output = np.repeat(means_of_group, outputs // layer.groups, axis=0)
    bias = layer.bias + (lost * per_output).sum(axis=1)
    return replace(integers, bias=_round_bias(bias, integers.bias_scales))


def _round_bias(bias: NDArray[np.float64], scales: NDArray[np.float32]) -> NDArray[np.int32]:
    limit = 2**30
    return np.clip(np.rint(bias / scales.astype(np.float64)), -limit, limit).astype(np.int32)
