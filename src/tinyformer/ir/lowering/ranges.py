# SPDX-License-Identifier: Apache-2.0
"""Ranges of tensors that a model leaves in float although integers must hold them.

Quantizers that mark the inputs of layers only leave the last layer's output, or a sum between two layers, in float.
Such a tensor takes its range from calibration where there is one, else from a bound that no input exceeds: the
function's own range (softmax), that of its inputs (ReLU, concatenation, pooling), or the sum of a layer's absolute
weights, which is wide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf, isfinite, prod, sqrt
from typing import TypeAlias

import numpy as np

from tinyformer.ir.islands import Islands
from tinyformer.ir.lowering.network import Affine, Network, Node
from tinyformer.ir.lowering.table import KEEPS_SCALE, is_elementwise
from tinyformer.ir.lowering.unary import island_function
from tinyformer.ir.quantization import Quantization

Interval: TypeAlias = tuple[float, float]
"""Real numbers from the first to the second."""

_PROBABILITIES = Quantization(1 / 256, -128)


def complete_quantization(network: Network, calibrated: Mapping[str, Interval]) -> None:
    """Quantize the tensors that integers must hold and that the model does not quantize.

    ``calibrated`` has the smallest and largest value of tensors, by name. Tensors whose range nothing bounds stay as
    they are; what was bounded by weights alone goes into ``network.wide_ranges``.
    """
    _Ranges(network, calibrated).run()


class _Ranges:
    def __init__(self, network: Network, calibrated: Mapping[str, Interval]) -> None:
        self._network = network
        self._calibrated = calibrated
        self._islands: Islands[Node] = Islands()
        self._bounds: dict[str, Interval] = {}
        self._made_by_weights: set[str] = set()

    def run(self) -> None:
        network = self._network
        for name in network.quantization.keys() - network.producers().keys():
            self._islands.begin(name)
        for node in network:
            self._visit(node)
        for name in network.outputs:
            self._quantize(name)

    def _visit(self, node: Node) -> None:
        network, output = self._network, node.output
        activations = network.activations(node)
        constants = [network.constants[name].values.size for name in node.inputs if name in network.constants]
        origins: tuple[str, ...] = ()
        if activations and is_elementwise(node.operator, constants):
            origins = self._islands.join(replace(node), output, activations)
        if output in network.quantization:
            if not origins:
                for name in activations:
                    self._quantize(name)
            self._islands.begin(output)
        elif origins:
            self._bounds[output] = self._of_function(node, origins[0])
        else:
            for name in activations:
                self._quantize(name)
            self._bounds[output] = self._of_operator(node)
            self._quantize(output, node)
            self._islands.begin(output)

    def _quantize(self, name: str, node: Node | None = None) -> None:
        network = self._network
        if name in network.quantization or name in network.constants or name not in network.shapes:
            return
        if node is not None and node.operator in KEEPS_SCALE:
            known = {network.quantization.get(x) for x in network.activations(node)}
            if len(known) == 1 and None not in known:
                network.quantization[name] = next(iter(known))  # type: ignore[assignment]
                return
        if node is not None and node.operator == "Softmax":
            network.quantization[name] = _PROBABILITIES
            return
        bounds = self._calibrated.get(name) or self._bounds.get(name)
        if bounds is None or not all(isfinite(bound) for bound in bounds):
            return
        network.quantization[name] = covering(*bounds)
        if name in self._made_by_weights and name not in self._calibrated:
            network.wide_ranges.append(name)
        self._islands.begin(name)

    def _interval(self, name: str) -> Interval:
        network = self._network
        if name in network.constants:
            real = network.constants[name].real
            return (float(real.min()), float(real.max())) if real.size else (0.0, 0.0)
        bounds = self._bounds.get(name, (-inf, inf))
        if name in network.quantization:
            low, high = (float(network.quantization[name].real(np.array(end))) for end in (-128, 127))
            bounds = max(low, bounds[0]), min(high, bounds[1])
        return bounds

    def _of_function(self, node: Node, origin: str) -> Interval:
        """The range over all values of a quantized tensor: exact."""
        network = self._network
        if origin not in network.quantization:
            return -inf, inf
        function = island_function(network, self._islands.members(node.output, origin), origin)
        real = network.quantization[origin].real(np.arange(-128, 128))
        low, high = self._interval(origin)
        with np.errstate(all="ignore"):
            values = np.asarray(function(np.clip(real, low, high)), np.float64)
        values = values[np.isfinite(values)]
        return (float(values.min()), float(values.max())) if values.size else (-inf, inf)

    def _of_operator(self, node: Node) -> Interval:
        rule = _RULES.get(node.operator)
        if node.output in self._network.affine:
            self._made_by_weights.add(node.output)
            low, high = _of_layer(self._network.affine[node.output], self._interval(node.inputs[0]))
        elif node.operator in KEEPS_SCALE:
            low, high = _union([self._interval(name) for name in self._network.activations(node)])
        elif rule is not None:
            if node.operator in {"MatMul", "LayerNormalization"}:
                self._made_by_weights.add(node.output)
            low, high = rule(self._network, node, [self._interval(name) for name in node.inputs if name])
        else:
            return -inf, inf
        low, high = low * node.factor, high * node.factor
        return max(low, node.clamp[0]), min(high, node.clamp[1])


def covering(low: float, high: float) -> Quantization:
    """The quantization with the smallest steps that holds ``low``, ``high`` and 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / 255)) or 1.0
    return Quantization(scale, int(np.clip(round(-128 - low / scale), -128, 127)))


def _of_layer(affine: Affine, x: Interval) -> Interval:
    weights = affine.weights.reshape(len(affine.weights), -1).astype(np.float64)
    # Padding reads as 0.
    ends = np.array([min(x[0], 0.0), max(x[1], 0.0)])
    products = weights[..., None] * ends
    low = products.min(axis=-1).sum(axis=1) * affine.scale + affine.bias
    high = products.max(axis=-1).sum(axis=1) * affine.scale + affine.bias
    return float(low.min()), float(high.max())


def _union(intervals: list[Interval]) -> Interval:
    return min(low for low, _ in intervals), max(high for _, high in intervals)


def _product(a: Interval, b: Interval) -> Interval:
    ends = [x * y for x in a for y in b]
    return min(ends), max(ends)


def _add(network: Network, node: Node, x: list[Interval]) -> Interval:
    return x[0][0] + x[1][0], x[0][1] + x[1][1]


def _sub(network: Network, node: Node, x: list[Interval]) -> Interval:
    return x[0][0] - x[1][1], x[0][1] - x[1][0]


def _mul(network: Network, node: Node, x: list[Interval]) -> Interval:
    return _product(x[0], x[1])


def _matmul(network: Network, node: Node, x: list[Interval]) -> Interval:
    low, high = _product(x[0], x[1])
    depth = network.shapes[node.inputs[0]][-1]
    return low * depth, high * depth


def _mean(network: Network, node: Node, x: list[Interval]) -> Interval:
    return min(x[0][0], 0.0), max(x[0][1], 0.0)


def _sum(network: Network, node: Node, x: list[Interval]) -> Interval:
    cells = prod(network.shapes[node.inputs[0]]) // prod(network.shapes[node.output])
    return min(x[0][0], 0.0) * cells, max(x[0][1], 0.0) * cells


def _extreme(network: Network, node: Node, x: list[Interval]) -> Interval:
    return _union(x)


def _layer_norm(network: Network, node: Node, x: list[Interval]) -> Interval:
    """No element is more than sqrt(n - 1) standard deviations from the mean of n."""
    shape = network.shapes[node.inputs[0]]
    axis = node.attributes.get("axis", -1) % len(shape)
    far = sqrt(max(1, prod(shape[axis:]) - 1))
    gamma, beta = network.real_input(node, 1), network.real_input(node, 2)
    if gamma is None:
        return -inf, inf
    offset = np.zeros(1) if beta is None else beta
    return float((offset - far * np.abs(gamma)).min()), float((offset + far * np.abs(gamma)).max())


def _prelu(network: Network, node: Node, x: list[Interval]) -> Interval:
    return _union([x[0], _product((min(x[0][0], 0.0), 0.0), x[1])])


_RULES: Mapping[str, Callable[[Network, Node, list[Interval]], Interval]] = {
    "Add": _add,
    "AveragePool": _mean,
    "GlobalAveragePool": _mean,
    "LayerNormalization": _layer_norm,
    "MatMul": _matmul,
    "Max": _extreme,
    "Min": _extreme,
    "Mul": _mul,
    "PRelu": _prelu,
    "ReduceMean": _mean,
    "ReduceSum": _sum,
    "Sub": _sub,
}
"""(network, node, ranges of its inputs) -> range of its output, before the clamp."""
