"""From a quantized network (:mod:`.network`) to the integer graph: canonical layers, fusion, operators.

Shared by all importers. Each family of operators has its module of lowering functions; :data:`LOWERINGS` is the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

from tinyformer.errors import TinyFormerError
from tinyformer.ir import graph as ir
from tinyformer.ir.lowering.annotate import annotate
from tinyformer.ir.lowering.builder import Builder, Value
from tinyformer.ir.lowering.canonical import canonicalize
from tinyformer.ir.lowering.channelwise import CHANNELWISE, replace_channelwise
from tinyformer.ir.lowering.elementwise import lower_add, lower_mul, lower_unary
from tinyformer.ir.lowering.functions import FUNCTIONS
from tinyformer.ir.lowering.fusion import fuse
from tinyformer.ir.lowering.layers import lower_channelwise, lower_convolution, lower_linear
from tinyformer.ir.lowering.layout import CHANNELS_LAST, in_order
from tinyformer.ir.lowering.network import Network, Node
from tinyformer.ir.lowering.peephole import simplify
from tinyformer.ir.lowering.pieces import lower_concat, lower_gather, lower_pad, lower_slice
from tinyformer.ir.lowering.pooling import lower_average_pool, lower_max_pool, lower_mean
from tinyformer.ir.lowering.problems import Problems, UnsupportedError, inconsistencies
from tinyformer.ir.lowering.rows import lower_layer_norm, lower_matmul, lower_softmax
from tinyformer.ir.lowering.unary import UNARY, fuse_unary
from tinyformer.ir.lowering.views import VIEW_FUNCTIONS, lower_view

__all__ = ["LOWERINGS", "lower"]

LARGEST_TENSOR = 2**24
"""Elements; far beyond any microcontroller, and small enough for the importer to work on."""

LOWERINGS: Mapping[str, Callable[[Builder, Node], Value]] = {
    "Add": lower_add,
    "AveragePool": lower_average_pool,
    CHANNELWISE: lower_channelwise,
    "Concat": lower_concat,
    "Conv": lower_convolution,
    "Gather": lower_gather,
    "GlobalAveragePool": lower_mean,
    "GlobalMaxPool": lower_max_pool,
    "LayerNormalization": lower_layer_norm,
    "Linear": lower_linear,
    "MatMul": lower_matmul,
    "MaxPool": lower_max_pool,
    "Mul": lower_mul,
    "Pad": lower_pad,
    "ReduceMean": lower_mean,
    "Slice": lower_slice,
    "Softmax": lower_softmax,
    "Sub": lower_add,
    UNARY: lower_unary,
    **dict.fromkeys(VIEW_FUNCTIONS, lower_view),
}
"""What each operator of a quantized network becomes."""


def lower(network: Network) -> ir.Graph:
    """The integer graph of ``network``.

    Raises :class:`~tinyformer.errors.TinyFormerError` that lists every operator that cannot be compiled, and why.
    """
    with inconsistencies(f"model {network.name!r}"):
        problems = Problems(network)
        network.prune()
        _check(network, problems)
        problems.raise_if_any()
        _rewrite(network, problems)
        builder = Builder(network)
        _input(builder)
        for node in network:
            _lower_node(builder, node, problems)
        problems.raise_if_any()
        builder.graph.outputs = tuple(_output(builder, name) for name in network.outputs)
        return simplify(builder.graph)


def _rewrite(network: Network, problems: Problems) -> None:
    """Bring the network into the form that :data:`LOWERINGS` expects."""
    canonicalize(network, problems)
    annotate(network)
    fuse(network, problems)
    annotate(network)
    fuse_unary(network)
    replace_channelwise(network)


def _check(network: Network, problems: Problems) -> None:
    """Unknown operators and shapes, all at once and before anything else can stumble over them."""
    known = LOWERINGS.keys() | FUNCTIONS.keys() | {"Gemm", "BatchNormalization"}
    for node in network:
        if node.operator not in known:
            problems.add(node, "this operator is not supported: replace it in the model or cut the model before it")
    if problems.lines:
        return  # what is behind an unknown operator may have no shape because of it
    for node in network:
        if node.output not in network.shapes or any(name not in network.shapes for name in network.activations(node)):
            problems.add(node, "the shapes around it are not fixed: export the model with static shapes")
        elif not all(_is_reasonable(network.shapes[name]) for name in [*network.activations(node), node.output]):
            problems.add(
                node, f"a tensor of it is empty or has more than {LARGEST_TENSOR} elements: use a smaller model"
            )


def _is_reasonable(shape: tuple[int, ...]) -> bool:
    return min(shape, default=1) > 0 and prod(shape) <= LARGEST_TENSOR


def _input(builder: Builder) -> None:
    """The image enters channels last."""
    network, name = builder.network, builder.network.input
    shape = network.shapes[name]
    if name not in network.quantization:
        raise TinyFormerError(
            f"the input {name!r} of model {network.name!r} is not quantized: put a QuantizeLinear/DequantizeLinear "
            "pair after it"
        )
    order = CHANNELS_LAST if len(shape) == 4 else tuple(range(len(shape)))
    stored = tuple(shape[axis] for axis in order)
    tensor = builder.add_tensor(name, stored, network.quantization[name])
    builder.graph.input = tensor
    builder.values[name] = Value(tensor, in_order(shape, order))


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


def _output(builder: Builder, name: str) -> str:
    """Images leave channels last, everything else in the order of the model."""
    value = builder.values[name]
    order = CHANNELS_LAST if len(value.shape) == 4 else tuple(range(len(value.shape)))
    return builder.stored(value, order)
