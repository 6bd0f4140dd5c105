# SPDX-License-Identifier: Apache-2.0
"""From a quantized network (:mod:`.network`) to the integer graph: canonical layers, fusion, operators.

Shared by all importers. Each family of operators has its module of lowering functions; :data:`LOWERINGS` is the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from tinyformer.ir import graph as ir
from tinyformer.ir.lowering.annotate import annotate
from tinyformer.ir.lowering.builder import Builder
from tinyformer.ir.lowering.canonical import canonicalize
from tinyformer.ir.lowering.channelwise import CHANNELWISE, replace_channelwise
from tinyformer.ir.lowering.elementwise import lower_unary
from tinyformer.ir.lowering.function import Lowering
from tinyformer.ir.lowering.fusion import fuse
from tinyformer.ir.lowering.interface import add_input, add_output
from tinyformer.ir.lowering.layers import lower_channelwise, lower_linear
from tinyformer.ir.lowering.network import Network, Node
from tinyformer.ir.lowering.peephole import simplify
from tinyformer.ir.lowering.problems import Problems, UnsupportedError, inconsistencies
from tinyformer.ir.lowering.ranges import complete_quantization
from tinyformer.ir.lowering.recognition import recognize
from tinyformer.ir.lowering.table import OPERATORS
from tinyformer.ir.lowering.unary import UNARY, fuse_unary

__all__ = ["LOWERINGS", "lower"]

LARGEST_TENSOR = 2**24
"""Elements; far beyond any microcontroller, and small enough for the importer to work on."""

_UNKNOWN = "this operator is not supported: replace it in the model or cut the model before it"

LOWERINGS: Mapping[str, Lowering] = {
    CHANNELWISE: lower_channelwise,
    "Linear": lower_linear,
    UNARY: lower_unary,
    **{name: function.lower for name, function in OPERATORS.items() if function.lower is not None},
}
"""What each operator of a quantized network becomes."""


def lower(network: Network, calibrated: Mapping[str, tuple[float, float]] | None = None) -> ir.Graph:
    """The integer graph of ``network``.

    ``calibrated`` has the smallest and largest values of tensors that the model leaves in float, by name.

    Raises :class:`~tinyformer.errors.TinyFormerError` that lists every operator that cannot be compiled, and why.
    """
    with inconsistencies(f"model {network.name!r}"):
        problems = Problems(network)
        network.prune()
        recognize(network)
        _check(network, problems)
        problems.raise_if_any()
        _rewrite(network, problems, calibrated or {})
        builder = Builder(network)
        add_input(builder)
        for node in network:
            _lower_node(builder, node, problems)
        problems.raise_if_any()
        for name in network.outputs:
            add_output(builder, name)
        for name, value in builder.values.items():
            if value.positions.size == builder.graph.tensors[value.tensor].size:
                before = builder.graph.origins.get(value.tensor, ())
                builder.graph.origins[value.tensor] = (*before, ir.Origin(name, value.positions))
        builder.graph.wide_ranges = tuple(network.wide_ranges)
        return simplify(builder.graph)


def _rewrite(network: Network, problems: Problems, calibrated: Mapping[str, tuple[float, float]]) -> None:
    """Bring the network into the form that :data:`LOWERINGS` expects."""
    canonicalize(network, problems)
    annotate(network)
    fuse(network, problems)
    annotate(network)
    complete_quantization(network, calibrated)
    fuse_unary(network)
    replace_channelwise(network)


def _check(network: Network, problems: Problems) -> None:
    """Unknown operators and shapes, all at once and before anything else can stumble over them."""
    for node in network:
        if node.operator not in OPERATORS:
            problems.add(node, network.reasons.get(node.output, _UNKNOWN))
    if problems.lines:
        return  # what is behind an unknown operator may have no shape because of it
    for node in network:
        for name in OPERATORS[node.operator].unread(node.attributes):
            value = node.attributes[name]
            problems.add(node, f"{name} = {value} is not supported: replace it in the model or cut the model before it")
    for node in network:
        if node.output not in network.shapes or any(name not in network.shapes for name in network.activations(node)):
            problems.add(node, "the shapes around it are not fixed: export the model with static shapes")
        elif not all(_is_reasonable(network.shapes[name]) for name in [*network.activations(node), node.output]):
            problems.add(
                node, f"a tensor of it is empty or has more than {LARGEST_TENSOR} elements: use a smaller model"
            )


def _is_reasonable(shape: tuple[int, ...]) -> bool:
    return min(shape, default=1) > 0 and prod(shape) <= LARGEST_TENSOR


def _lower_node(builder: Builder, node: Node, problems: Problems) -> None:
    network = builder.network
    if any(node is known for known in problems.nodes):
        return
    try:
        with inconsistencies(f"{node.operator} {node.name!r} of model {network.name!r}"):
            for name in [*network.activations(node), node.output]:
                builder.quantization(name)
            if any(name not in builder.values for name in network.activations(node)):
                return  # whatever should have made it is among the problems
            if node.operator not in LOWERINGS:
                raise UnsupportedError(
                    "it is not a function of one quantized tensor and scalars: "
                    "quantize its operands, or replace it in the model"
                )
            builder.values[node.output] = LOWERINGS[node.operator](builder, node)
    except UnsupportedError as problem:
        problems.add(node, str(problem))
