# SPDX-License-Identifier: Apache-2.0
"""Operators that exporters write in pieces, as one: LayerNorm, and softmax of masked scores.

Only where nothing inside is quantized, for what is rounded between two pieces is part of the model; but for the
variance of a LayerNorm, whose rounding the one operator takes over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir.lowering.network import Constant, Network, Node
from tinyformer.ir.quantization import Quantization

Vector: TypeAlias = NDArray[np.float64]
Rounding: TypeAlias = tuple[Quantization, Quantization | None]
"""Of the variance, and of its sum with epsilon."""

_FAR_BELOW = 16.0
"""exp(-16) is less than a thousandth of the smallest step of a probability."""


def recognize(network: Network) -> None:
    """Replace the patterns by single nodes; what they leave behind is pruned."""
    for node in list(network):
        if node.operator in {"Div", "Mul"}:
            _layer_norm(network, node)
        elif node.operator == "Softmax":
            _masked_softmax(network, node)
    network.prune()


class _Pattern:
    """Questions about what makes a tensor; tensors that are quantized or read elsewhere are no part of a pattern."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._producers = network.producers()

    def maker(self, tensor: str, *operators: str, rounded: bool = False) -> Node | None:
        """The node of one of ``operators`` that makes ``tensor`` in float, or also ``rounded``, else None."""
        node = self._producers.get(tensor)
        if node is None or (tensor in self._network.quantization and not rounded):
            return None
        return node if node.operator in operators else None

    def constant(self, tensor: str) -> float | None:
        """The value of a constant of one element."""
        constant = self._network.constants.get(tensor)
        return float(constant.real.reshape(())) if constant is not None and constant.values.size == 1 else None

    def averaged(self, tensor: str, rounded: bool = False) -> str | None:
        """What ``tensor`` is the mean of, over the last axis."""
        node = self.maker(tensor, "ReduceMean", rounded=rounded)
        if node is None or not node.attributes.get("keepdims", 1):
            return None
        axes = node.attributes.get("axes")
        if axes is None:
            found = self._network.real_input(node, 1)
            axes = [] if found is None else [int(axis) for axis in found.reshape(-1)]
        rank = len(self._network.shapes[node.inputs[0]])
        return node.inputs[0] if [axis % rank for axis in axes] == [rank - 1] else None

    def squared(self, tensor: str) -> str | None:
        """What ``tensor`` is the square of."""
        node = self.maker(tensor, "Pow", "Mul", "Square")
        if node is None:
            return None
        if node.operator == "Square" or (node.operator == "Pow" and self.constant(node.inputs[1]) == 2):
            return node.inputs[0]
        same = node.operator == "Mul" and node.inputs[0] == node.inputs[1]
        return node.inputs[0] if same else None

    def deviation(self, tensor: str) -> tuple[str, float, Rounding | None] | None:
        """(d, epsilon, rounding) if ``tensor`` is sqrt(mean(d^2) + epsilon)."""
        root = self.maker(tensor, "Sqrt")
        total = self.maker(root.inputs[0], "Add", rounded=True) if root is not None else None
        if total is None:
            return None
        for variance, epsilon in (total.inputs, total.inputs[::-1]):
            value, squares = self.constant(epsilon), self.averaged(variance, rounded=True)
            d = self.squared(squares) if squares is not None else None
            if value is not None and d is not None:
                steps, sum_steps = (self._network.quantization.get(name) for name in (variance, total.output))
                if steps is not None:
                    return d, value, (steps, sum_steps)
                return (d, value, None) if sum_steps is None else None
        return None


def _layer_norm(network: Network, node: Node) -> None:
    """``(x - mean) / sqrt(mean((x - mean)^2) + epsilon)``, and gamma and beta behind it."""
    pattern = _Pattern(network)
    for centred, divisor in _quotients(pattern, node):
        found, difference = pattern.deviation(divisor), pattern.maker(centred, "Sub")
        if found is None or difference is None:
            continue
        squared, epsilon, rounding = found
        again = pattern.maker(squared, "Sub")
        x, mean = difference.inputs
        if again is None or again.inputs != difference.inputs or pattern.averaged(mean) != x:
            continue
        last, gamma, beta = _gain_and_offset(network, node)
        result = last.output
        width = network.shapes[x][-1]
        for name, value, default in (("gamma", gamma, 1.0), ("beta", beta, 0.0)):
            full = np.full(width, default) if value is None else np.broadcast_to(value.reshape(-1), (width,))
            network.constants[f"{result}/{name}"] = Constant(full)
            network.shapes[f"{result}/{name}"] = (width,)
        inputs = [x, f"{result}/gamma", f"{result}/beta"]
        attributes = {"axis": -1, "epsilon": epsilon, **({} if rounding is None else {"rounding": rounding})}
        network.nodes[network.nodes.index(last)] = Node("LayerNormalization", last.name, inputs, result, attributes)
        return


def _quotients(pattern: _Pattern, node: Node) -> Iterator[tuple[str, str]]:
    """(dividend, divisor) of a division, or of a product with a reciprocal."""
    if node.operator == "Div":
        yield node.inputs[0], node.inputs[1]
        return
    for factor, other in (node.inputs, node.inputs[::-1]):
        reciprocal = pattern.maker(other, "Reciprocal", "Div")
        if reciprocal is not None and reciprocal.operator == "Reciprocal":
            yield factor, reciprocal.inputs[0]
        elif reciprocal is not None and pattern.constant(reciprocal.inputs[0]) == 1:
            yield factor, reciprocal.inputs[1]


def _gain_and_offset(network: Network, node: Node) -> tuple[Node, Vector | None, Vector | None]:
    """The last node of those that multiply by and add constants along the last axis behind ``node``, and these."""
    last, found = node, list[Vector | None]()
    for operator in ("Mul", "Add"):
        follower = network.sole_consumer(last.output, network.consumers())
        value = None
        if follower is not None and follower.operator == operator and last.output not in network.quantization:
            other = follower.inputs[1 if follower.inputs[0] == last.output else 0]
            constant = network.constants.get(other)
            along = constant is not None and constant.values.size in (1, constant.values.shape[-1:][0])
            if constant is not None and along:
                value, last = constant.real, follower
        found.append(value)
    return last, found[0], found[1]


def _masked_softmax(network: Network, node: Node) -> None:
    """Scores to which a constant adds 0 or next to minus infinity: what is far below takes no part."""
    add = _Pattern(network).maker(node.inputs[0], "Add")
    shape = network.shapes[node.inputs[0]]
    if add is None or node.attributes.get("axis", -1) % len(shape) != len(shape) - 1:
        return
    for scores, mask in (add.inputs, add.inputs[::-1]):
        constant, quantization = network.constants.get(mask), network.quantization.get(scores)
        if constant is None or quantization is None or network.shapes[scores] != shape:
            continue
        kept = constant.real == 0
        if np.all(kept | (constant.real <= -255 * quantization.scale - _FAR_BELOW)) and not np.all(kept):
            node.inputs = [scores]
            node.attributes = {**node.attributes, "mask": np.broadcast_to(kept, shape)}
            return
