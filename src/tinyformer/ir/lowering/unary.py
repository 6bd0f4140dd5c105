"""Finds islands of elementwise operators that depend on one quantized tensor: each becomes a single table.

GELU in its Erf form, ``x * sigmoid(x)``, hard-swish from its parts, quantized in between or not: as long as all paths
start at the same INT8 tensor and all constants are scalars, the result is a function of 256 values.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir.arithmetic import quantize
from tinyformer.ir.lowering.functions import FUNCTIONS
from tinyformer.ir.lowering.network import Network, Node, Quantization

Array: TypeAlias = NDArray[np.float64]
RealFunction: TypeAlias = Callable[[Array], Array]

UNARY = "Unary"
"""Operator type of the nodes made here; the attribute ``function`` maps real inputs to real outputs."""


def fuse_unary(network: Network) -> None:
    """Replace elementwise islands that end in a quantized tensor by ``Unary`` nodes."""
    origins: dict[str, dict[str, RealFunction]] = {}
    for node in network:
        found = _origins(network, node, origins)
        if not found:
            continue
        origins[node.output] = found
        if node.output in network.quantization:
            root, function = next(iter(found.items()))
            node.operator, node.inputs, node.attributes = UNARY, [root], {"function": function}
            node.clamp = (-inf, inf)  # part of the function
    network.prune()


def _origins(network: Network, node: Node, origins: dict[str, dict[str, RealFunction]]) -> dict[str, RealFunction]:
    operands = [name for name in node.inputs if name]
    activations = network.activations(node)
    if node.operator not in FUNCTIONS or not activations:
        return {}
    if any(network.constants[name].values.size != 1 for name in operands if name in network.constants):
        return {}
    candidates = [_paths(network, name, origins) for name in activations]
    common = [root for root in candidates[0] if all(root in paths for paths in candidates)]
    return {
        root: _compose(network, node, {n: p[root] for n, p in zip(activations, candidates, strict=True)})
        for root in common
    }


def _paths(network: Network, tensor: str, origins: dict[str, dict[str, RealFunction]]) -> dict[str, RealFunction]:
    """Ways to compute ``tensor``: from itself if it is quantized, else from its origins, through its own rounding."""
    quantization = network.quantization.get(tensor)
    farther = origins.get(tensor, {})
    if quantization is None:
        return farther
    rounded = {root: _rounded(function, quantization) for root, function in farther.items()}
    return {tensor: lambda x: x, **rounded}


def _rounded(function: RealFunction, quantization: Quantization) -> RealFunction:
    scale, zero_point = quantization
    return lambda x: scale * (quantize(function(x), scale, zero_point).astype(np.float64) - zero_point)


def _compose(network: Network, node: Node, functions: dict[str, RealFunction]) -> RealFunction:
    operator, attributes = FUNCTIONS[node.operator], dict(node.attributes)
    constants = {
        name: network.constants[name].real.reshape(()) for name in node.inputs if name and name in network.constants
    }

    clamp = node.clamp

    def apply(x: Array) -> Array:
        arguments = [
            None if not name else constants[name] if name in constants else functions[name](x) for name in node_inputs
        ]
        return np.clip(operator(attributes, *arguments), *clamp)

    node_inputs = list(node.inputs)
    return apply
