# SPDX-License-Identifier: Apache-2.0
"""How a network's tensors enter and leave: images channels last, everything else in the order of the model."""

from __future__ import annotations

from collections.abc import Iterable

from tinyformer.errors import TinyFormerError
from tinyformer.ir.lowering.builder import Builder, Value
from tinyformer.ir.lowering.channelwise import CHANNELWISE
from tinyformer.ir.lowering.layout import CHANNELS_LAST, Order, in_order
from tinyformer.ir.lowering.network import Network, Node
from tinyformer.ir.lowering.table import OPERATORS
from tinyformer.ir.lowering.unary import UNARY

_ROWS = {"Linear", "MatMul", "LayerNormalization"}
"""Operators on the last axis, which hence is no width of an image."""

_IMAGES = {
    "AveragePool", "Conv", "DepthToSpace", "GlobalAveragePool", "GlobalMaxPool", "MaxPool", "SpaceToDepth",
}  # fmt: skip


def add_input(builder: Builder) -> None:
    """Declare the network's input. Raises :class:`TinyFormerError` if it is not quantized."""
    network, name = builder.network, builder.network.input
    shape = network.shapes[name]
    if name not in network.quantization:
        raise TinyFormerError(
            f"the input {name!r} of model {network.name!r} is not quantized: put a QuantizeLinear/DequantizeLinear "
            "pair after it"
        )
    order = _order(shape, _readers(network, name), to_images=(0, 3, 1, 2))
    stored = tuple(shape[axis] for axis in order)
    tensor = builder.add_tensor(name, stored, network.quantization[name])
    builder.graph.input = tensor
    builder.graph.axes[tensor] = order
    builder.values[name] = Value(tensor, in_order(shape, order))


def add_output(builder: Builder, name: str) -> None:
    """Declare tensor ``name`` of the network as the next output, with bytes of its own."""
    value = builder.values[name]
    order = _order(value.shape, _makers(builder.network, name), to_images=(0, 2, 3, 1))
    tensor = builder.stored(value, order)
    if tensor == builder.graph.input or tensor in builder.graph.outputs:
        tensor = builder.renamed(tensor, f"{name}.output")
    builder.graph.outputs += (tensor,)
    builder.graph.axes[tensor] = order


def _order(shape: tuple[int, ...], neighbours: Iterable[Node], to_images: Order) -> Order:
    """Four axes are those of an image (N, C, H, W), unless the operators next to them say otherwise.

    ``to_images`` is the transposition between the outside and images where the outside is channels last already.
    """
    own = tuple(range(len(shape)))
    if len(shape) != 4:
        return own
    met = list(neighbours)
    if any(node.operator in _IMAGES for node in met):
        return CHANNELS_LAST
    turned = any(node.operator == "Transpose" and tuple(node.attributes.get("perm", ())) == to_images for node in met)
    return own if turned or any(node.operator in _ROWS for node in met) else CHANNELS_LAST


def _keeps_axes(network: Network, node: Node) -> bool:
    function = OPERATORS.get(node.operator)
    elementwise = node.operator in {UNARY, CHANNELWISE} or (function is not None and function.real is not None)
    return elementwise and all(
        network.shapes[name] == network.shapes[node.output] for name in network.activations(node)[:1]
    )


def _readers(network: Network, name: str) -> Iterable[Node]:
    """Who reads ``name``, or what element-wise operators make of it."""
    for node in network:
        if name in node.inputs:
            yield node
            if _keeps_axes(network, node):
                yield from _readers(network, node.output)


def _makers(network: Network, name: str) -> Iterable[Node]:
    """What makes ``name``, behind element-wise operators."""
    producers = network.producers()
    node = producers.get(name)
    while node is not None:
        yield node
        sources = network.activations(node)
        node = producers.get(sources[0]) if sources and _keeps_axes(network, node) else None
