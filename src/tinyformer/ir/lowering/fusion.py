"""Absorbs what follows a layer into it: biases, scales per channel, BatchNorm, ReLU and Clip; padding before
convolutions."""

from __future__ import annotations

from math import inf
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinyformer.errors import TinyFormerError
from tinyformer.ir.lowering.network import Network, Node
from tinyformer.ir.lowering.problems import Problems

Vector: TypeAlias = NDArray[np.float64]

_CLAMPED = {"Conv", "Linear", "Add", "Sub", "Mul", "MatMul", "AveragePool", "GlobalAveragePool", "ReduceMean"}
"""Operators that end in a requantization, whose clamp is free."""


def fuse(network: Network, problems: Problems) -> None:
    """Merge constant padding, affine operators and clamps into the layers around them."""
    _fold_padding(network)
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
    if affine is None or node.clamp != (-inf, inf):
        return False
    if node.output in network.quantization and consumer.output not in network.quantization:
        return False  # part of a unary function, whose table needs this tensor
    parameters = channel_affine(network, consumer, channel_axis(network, node))
    if parameters is None:
        return False
    factors, offsets = parameters
    network.affine[node.output] = affine.scaled(factors).shifted(offsets)
    if consumer.operator == "Add" and node.operator == "Linear":
        node.name = consumer.name
    network.merge_into_consumer(node, consumer)
    return True


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
    node.factor *= float(factors[0])
    network.merge_into_consumer(node, consumer)
    return True


def channel_axis(network: Network, node: Node) -> int:
    """The axis of the output channels of a ``Conv`` or ``Linear`` node."""
    return 1 if node.operator == "Conv" else len(network.shapes[node.output]) - 1


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
    factors = gamma / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    return factors, beta - mean * factors


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
    if bounds is None or node.operator not in _CLAMPED or node.output not in (consumer.inputs[0],):
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


def pad_widths(network: Network, node: Node) -> tuple[list[int], list[int], float] | None:
    """(before, after, value) of a Pad node with constant widths, per axis; None if they are computed at run time."""
    rank = len(network.shapes[node.output])
    pads = network.real_input(node, 1)
    if pads is None:
        return None
    value = network.real_input(node, 2)
    axes = network.real_input(node, 3)
    which = range(rank) if axes is None else [int(axis) % rank for axis in axes]
    before, after = [0] * rank, [0] * rank
    half = len(pads) // 2
    for i, axis in enumerate(which):
        before[axis], after[axis] = int(pads[i]), int(pads[half + i])
    return before, after, 0.0 if value is None or not value.size else float(value.reshape(-1)[0])
