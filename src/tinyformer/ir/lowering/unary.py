# SPDX-License-Identifier: Apache-2.0
"""Element-wise islands that depend on one quantized tensor become one node each, and later one table.

Their tensors may be quantized in between or not: what is rounded there is rounded in the table, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir.islands import Islands
from tinyformer.ir.lowering.arrays import NUMPY
from tinyformer.ir.lowering.network import Network, Node
from tinyformer.ir.lowering.table import OPERATORS, is_elementwise

Array: TypeAlias = NDArray[np.float64]
RealFunction: TypeAlias = Callable[[Array], Array]

UNARY = "Unary"
"""Operator type of the nodes made here; the attribute ``function`` maps real inputs to real outputs."""


def fuse_unary(network: Network) -> None:
    """Replace element-wise islands that end in a quantized tensor by ``Unary`` nodes."""
    islands: Islands[Node] = Islands()
    for name in network.quantization.keys() - network.producers().keys():
        islands.begin(name)
    for node in network:
        activations = network.activations(node)
        constants = [network.constants[name].values.size for name in node.inputs if name in network.constants]
        origins: tuple[str, ...] = ()
        if activations and is_elementwise(node.operator, constants):
            origins = islands.join(replace(node), node.output, activations)
        if node.output not in network.quantization:
            continue
        islands.begin(node.output)
        if origins:
            function = island_function(network, islands.members(node.output, origins[0]), origins[0])
            node.operator, node.inputs, node.attributes = UNARY, [origins[0]], {"function": function}
            node.clamp = (-inf, inf)  # part of the function
    network.prune()


def island_function(network: Network, members: Sequence[Node], origin: str) -> RealFunction:
    """The real function that ``members`` compute of ``origin``, the last of them the result."""
    quantization, constants = dict(network.quantization), network.constants
    functions = [OPERATORS[node.operator].real for node in members]

    def value(name: str, values: dict[str, Array]) -> Array | None:
        if not name:
            return None
        return constants[name].real.reshape(()) if name in constants else values[name]

    def apply(x: Array) -> Array:
        values = {origin: x}
        for node, real in zip(members, functions, strict=True):
            assert real is not None
            arguments = [value(name, values) for name in node.inputs]
            y = np.clip(real(NUMPY, node.attributes, *arguments), *node.clamp)
            if node is not members[-1] and node.output in quantization:
                form = quantization[node.output]
                y = form.real(form.quantize(y, ties_away=network.ties_away))
            values[node.output] = y
        return values[members[-1].output]

    return apply
