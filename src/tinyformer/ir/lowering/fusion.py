# SPDX-License-Identifier: Apache-2.0
"""Absorbs what follows a layer into it: biases, scales per channel, BatchNorm, ReLU and Clip; padding before
convolutions."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinyformer.errors import TinyFormerError
from tinyformer.ir.batchnorm import factors_and_offsets
from tinyformer.ir.lowering.geometry import pad_widths
from tinyformer.ir.lowering.network import Network, Node
from tinyformer.ir.lowering.problems import Problems
from tinyformer.ir.lowering.table import CLAMPS

Vector: TypeAlias = NDArray[np.float64]


def fuse(network: Network, problems: Problems) -> None:
    """Merge constant padding, affine operators and clamps into the layers around them."""
    _fold_padding(network)
    _fold_factors_of_inputs(network)
    for node in list(network.nodes):
        if node not in network.nodes:  # merged meanwhile
            continue
        while (consumer := network.sole_consumer(node.output, network.consumers())) is not None:
            try:
                absorbed = any(
                    absorb(network, node, consumer) for absorb in (_absorb_affine, _absorb_factor, _absorb_clamp)
                )
            except TinyFormerError as problem:
                problems.add(consumer, str(problem))
                break
            if not absorbed:
                break


def _absorb_affine(network: Network, node: Node, consumer: Node) -> bool:
    """``(w x + b) * factors + offsets`` is again an affine layer."""
    affine = network.affine.get(node.output)
    if affine is None:
        return False
    if node.output in network.quantization and consumer.output not in network.quantization:
        return False  # part of a unary function, whose table needs this tensor
    parameters = channel_affine(network, consumer, channel_axis(network, node))
    if parameters is None:
        return False
    factors, offsets = parameters
    rectified = set(node.clamp) <= {-inf, 0.0, inf} and np.all(factors > 0) and not np.any(offsets)
    if node.clamp != (-inf, inf) and not (rectified and node.output not in network.quantization):
        return False
    clamp = _saturation(network, node, consumer, factors, offsets)
    if clamp is None:
        return False
    if node.clamp == (-inf, inf):
        node.clamp = clamp
    network.affine[node.output] = affine.scaled(factors).shifted(offsets)
    if consumer.operator == "Add" and node.operator == "Linear":
        node.name = consumer.name
    network.merge_into_consumer(node, consumer)
    return True


def _saturation(
    network: Network, node: Node, consumer: Node, factors: Vector, offsets: Vector
) -> tuple[float, float] | None:
    """The clamp that keeps the saturation of the quantization between two nodes once its rounding is dropped.

    None if that differs from channel to channel; no clamp where the quantization behind them clips as much, but for one
    step at most.
    """
    if node.output not in network.quantization:
        return -inf, inf
    between, after = network.quantization[node.output], network.quantization[consumer.output]
    ends = np.sort(np.stack([between.real(np.array(end)) * factors + offsets for end in (-128, 127)]), axis=0)
    low, high = (float(after.real(np.array(end))) for end in (-128, 127))
    if np.all(ends[0] <= low + after.scale) and np.all(ends[1] >= high - after.scale):
        return -inf, inf
    if np.any(ends != ends[:, :1]):
        return None
    return float(ends[0, 0]), float(ends[1, 0])


def _absorb_factor(network: Network, node: Node, consumer: Node) -> bool:
    """The scale of attention scores, applied to a product of activations."""
    if node.operator != "MatMul" or node.output in network.affine or node.clamp != (-inf, inf):
        return False
    if node.output in network.quantization and consumer.output not in network.quantization:
        return False
    parameters = channel_affine(network, consumer, len(network.shapes[node.output]) - 1)
    if parameters is None:
        return False
    factors, offsets = parameters
    if np.any(offsets != 0) or np.any(factors != factors[0]) or factors[0] <= 0:
        return False
    clamp = _saturation(network, node, consumer, factors, offsets)
    assert clamp is not None, "one factor for all channels has one saturation"
    node.clamp = clamp
    node.factor *= float(factors[0])
    network.merge_into_consumer(node, consumer)
    return True


def channel_axis(network: Network, node: Node) -> int:
    """The axis of the output channels of a ``Conv``, ``ConvTranspose`` or ``Linear`` node."""
    return 1 if node.operator in {"Conv", "ConvTranspose"} else len(network.shapes[node.output]) - 1


def channel_affine(network: Network, node: Node, axis: int) -> tuple[Vector, Vector] | None:
    """(factors, offsets) if ``node`` computes ``x * factors + offsets`` per channel of ``axis``, else None."""
    if node.operator == "BatchNormalization":
        return _batchnorm_affine(network, node) if axis == 1 else None
    activations = network.activations(node)
    if node.operator not in ("Add", "Sub", "Mul", "Div") or len(activations) != 1 or len(node.inputs) != 2:
        return None
    constant_index = 1 if node.inputs[1] in network.constants else 0
    constant = network.real_input(node, constant_index)
    shape = network.shapes[node.output]
    same_shape = network.shapes[activations[0]] == shape
    values = None if constant is None or not same_shape else _per_channel(constant, shape, axis)
    if values is None:
        return None
    ones, zeros = np.ones_like(values), np.zeros_like(values)
    if node.operator == "Div":
        return (1 / values, zeros) if constant_index == 1 and np.all(values != 0) else None
    if node.operator == "Sub":
        return (ones, -values) if constant_index == 1 else (-ones, values)
    return (ones, values) if node.operator == "Add" else (values, zeros)


def _batchnorm_affine(network: Network, node: Node) -> tuple[Vector, Vector] | None:
    gamma, beta, mean, variance = (network.real_input(node, i) for i in range(1, 5))
    if gamma is None or beta is None or mean is None or variance is None:
        return None
    return factors_and_offsets(gamma, beta, mean, variance, node.attributes.get("epsilon", 1e-5))


def _per_channel(constant: Vector, shape: tuple[int, ...], axis: int) -> Vector | None:
    """The values of ``constant`` along ``axis`` of ``shape`` if it varies along no other, else None."""
    if constant.ndim > len(shape):
        return None
    padded = constant.reshape((1,) * (len(shape) - constant.ndim) + constant.shape)
    if any(size > 1 for i, size in enumerate(padded.shape) if i != axis):
        return None
    return np.broadcast_to(padded.reshape(-1), (shape[axis],)).copy()


def clamp_bounds(network: Network, node: Node) -> tuple[float, float] | None:
    """The bounds if ``node`` is a Relu or a Clip with constant bounds, else None."""
    if node.operator == "Relu":
        return 0.0, inf
    if node.operator != "Clip":
        return None
    bounds = [node.attributes.get("min", -inf), node.attributes.get("max", inf)]
    for i in (1, 2):
        if i < len(node.inputs) and node.inputs[i]:
            value = network.real_input(node, i)
            if value is None:
                return None
            bounds[i - 1] = float(value.reshape(()))
    return bounds[0], bounds[1]


def _absorb_clamp(network: Network, node: Node, consumer: Node) -> bool:
    bounds = clamp_bounds(network, consumer)
    if bounds is None or node.operator not in CLAMPS or node.output not in (consumer.inputs[0],):
        return False
    low, high = node.clamp
    between = network.quantization.get(node.output)
    if between is not None and consumer.output in network.quantization:
        # The rounding between the two is dropped, its saturation kept.
        low = max(low, between.scale * (-128 - between.zero_point))
        high = min(high, between.scale * (127 - between.zero_point))
    # max(min(x, high), low) of a clamped value: bounds beyond the other side collapse onto it.
    node.clamp = (min(max(low, bounds[0]), bounds[1]), min(max(high, bounds[0]), bounds[1]))
    if consumer.output not in network.quantization and between is not None:
        network.quantization[consumer.output] = between
    network.merge_into_consumer(node, consumer)
    return True


def _fold_padding(network: Network) -> None:
    """Zero padding of rows and columns becomes part of the convolution behind it."""
    consumers = network.consumers()
    for node in list(network.nodes):
        if node.operator != "Pad" or node.attributes.get("mode", "constant") != "constant":
            continue
        consumer = network.sole_consumer(node.output, consumers)
        pads = pad_widths(network, node)
        if consumer is None or consumer.operator != "Conv" or pads is None or pads[2] != 0.0:
            continue
        before, after, _ = pads
        automatic = consumer.attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID")
        if any(before[:2]) or any(after[:2]) or min(before + after) < 0 or automatic:
            continue
        rank = len(before) - 2
        own = consumer.attributes.get("pads", [0] * (2 * rank))
        total = [a + b for a, b in zip([*before[2:], *after[2:]], own, strict=True)]
        consumer.attributes = {**consumer.attributes, "pads": total, "auto_pad": "NOTSET"}
        consumer.inputs = [node.inputs[0], *consumer.inputs[1:]]
        network.nodes.remove(node)


def _fold_factors_of_inputs(network: Network) -> None:
    """Factors per channel before a depthwise convolution, and one factor before any layer, go into its weights."""
    consumers = network.consumers()
    for node in list(network.nodes):
        consumer = network.sole_consumer(node.output, consumers)
        inputs = network.activations(node)
        if consumer is None or consumer.output not in network.affine or node.output in network.quantization:
            continue
        if len(inputs) != 1 or inputs[0] not in network.quantization or node.operator not in {"Mul", "Div"}:
            continue
        found = channel_affine(network, node, channel_axis(network, consumer))
        if found is None or np.any(found[1] != 0):
            continue
        affine, factors = network.affine[consumer.output], found[0]
        if consumer.attributes.get("group", 1) == len(factors) and len(affine.weights) % len(factors) == 0:
            factors = np.repeat(factors, len(affine.weights) // len(factors))
        elif np.all(factors == factors[0]):
            factors = np.full(len(affine.weights), factors[0])
        else:
            continue
        network.affine[consumer.output] = replace(affine.scaled(factors), bias=affine.bias)
        consumer.inputs = [inputs[0], *consumer.inputs[1:]]
        network.nodes.remove(node)
