"""Which nodes of a float graph one integer operator executes: the places where quantization happens.

A group reads quantized activations, computes in float between DequantizeLinear and QuantizeLinear, and writes one
quantized activation. Biases, ReLU and ReLU6 join the operator before them; any tree of element-wise functions of a
single activation (SiLU, a decomposed GELU, ...) is one group, because an integer engine evaluates it by one table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import onnx

from tinyformer.compression.float_graph import FloatGraph, attributes, describe
from tinyformer.errors import TinyFormerError


class Kind(Enum):
    """How a group's output is quantized."""

    WEIGHTED = auto()
    """Convolution or product with a constant matrix: weights and bias are quantized too."""
    OBSERVED = auto()
    """The output's range is observed."""
    SOFTMAX = auto()
    """The output lies in 0..1: scale 1/256, zero point -128."""
    SHAPE = auto()
    """The output holds values of the inputs: it keeps their scale."""


@dataclass(frozen=True)
class Group:
    """Nodes in execution order, the activations they read from elsewhere, and the one they write."""

    kind: Kind
    nodes: tuple[onnx.NodeProto, ...]
    inputs: tuple[str, ...]
    output: str


_SHAPE = {
    "Reshape",
    "Transpose",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Slice",
    "MaxPool",
    "GlobalMaxPool",
    "Concat",
    "Pad",
}
_OBSERVED = {"LayerNormalization", "AveragePool", "GlobalAveragePool", "ReduceMean"}
_UNARY = {
    "Abs", "Ceil", "Clip", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Mish",
    "Neg", "Reciprocal", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh",
}  # fmt: skip
_BINARY = {"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"}
_RECTIFIERS = {"Relu", "Clip"}
COMBINING = {"Add", "Sub", "Mul"}
"""Operators on two activations, or on one and a constant array."""


def partition(graph: FloatGraph) -> list[Group]:
    """The groups of ``graph`` in execution order; every node belongs to at least one.

    Raises :class:`TinyFormerError` naming the first node that has no INT8 form.
    """
    return _Partition(graph).groups()


class _Partition:
    def __init__(self, graph: FloatGraph) -> None:
        self._graph = graph
        self._readers = graph.consumers()
        self._producers = {node.output[0]: node for node in graph.nodes}
        self._tails: dict[str, list[onnx.NodeProto]] = {}
        """For each operator that takes them along: the bias and rectifier nodes after it."""
        self._fused: set[str] = set()
        """Outputs of these."""
        self._roots = {graph.input.name: graph.input.name}
        """For each tensor: the activation that it is an element-wise function of, itself where it is none."""
        for node in graph.nodes:
            self._place(node)

    def groups(self) -> list[Group]:
        found = []
        for node in self._graph.nodes:
            if node.output[0] in self._fused:
                continue
            tail = self._tails.get(node.output[0], [])
            output = tail[-1].output[0] if tail else node.output[0]
            if self._roots[output] != output:
                if self._must_exist(output):
                    nodes = self._island(output)
                    found.append(Group(Kind.OBSERVED, nodes, (self._roots[output],), output))
            else:
                inputs = tuple(dict.fromkeys(self._graph.activations(node)))
                found.append(Group(self._kind(node), (node, *tail), inputs, output))
        return found

    def _place(self, node: onnx.NodeProto) -> None:
        """Settle the root of the node's output, and what joins the node if it is an operator of its own."""
        output = node.output[0]
        sources = {self._roots[name] for name in self._graph.activations(node)}
        if output not in self._fused and len(sources) == 1 and self._is_elementwise(node):
            self._roots[output] = sources.pop()
            return
        self._roots[output] = output
        if output not in self._fused and (tail := self._tail(node)):
            self._tails[output] = tail
            self._fused.update(follower.output[0] for follower in tail)

    def _tail(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        weighted = self._is_weighted(node)
        if not weighted and node.op_type != "Add":
            return []
        tail = []
        follower = self._only_reader(node.output[0])
        if node.op_type == "MatMul" and follower is not None and self._is_bias(follower, node):
            tail.append(follower)
            follower = self._only_reader(follower.output[0])
        if follower is not None and follower.op_type in _RECTIFIERS:
            tail.append(follower)
        return tail

    def _is_elementwise(self, node: onnx.NodeProto) -> bool:
        """Element-wise, with no constant operand but single numbers."""
        if node.op_type not in _UNARY | _BINARY:
            return False
        constants = [self._graph.constants[name] for name in node.input if name in self._graph.constants]
        return all(constant.size == 1 for constant in constants)

    def _must_exist(self, name: str) -> bool:
        """Whether an element-wise result is needed as a quantized tensor: not only inside its own group."""
        if name in self._graph.output_names():
            return True
        own = self._roots[name]
        return any(self._roots[reader.output[0]] != own for reader in self._readers.get(name, []))

    def _island(self, output: str) -> tuple[onnx.NodeProto, ...]:
        root = self._roots[output]
        wanted, pending = set(), [output]
        while pending:
            name = pending.pop()
            if name != root and name not in wanted:
                wanted.add(name)
                pending.extend(self._graph.activations(self._producers[name]))
        return tuple(node for node in self._graph.nodes if node.output[0] in wanted)

    def _kind(self, node: onnx.NodeProto) -> Kind:
        operator, activations = node.op_type, self._graph.activations(node)
        if self._is_weighted(node):
            return Kind.WEIGHTED
        if operator == "Softmax":
            return Kind.SOFTMAX
        if operator in _SHAPE and len(activations) == (len(node.input) if operator == "Concat" else 1):
            if operator == "Pad" and not self._pads_with_zero(node):
                raise self._unsupported(node, "pad with zeros")
            return Kind.SHAPE
        if operator in _OBSERVED and len(activations) == 1:
            return Kind.OBSERVED
        if operator in COMBINING or (operator == "MatMul" and len(activations) == 2):
            return Kind.OBSERVED
        if operator in {"Conv", "Gemm"}:
            raise self._unsupported(node, "its weights must be constants")
        raise self._unsupported(node, "rewrite it with supported operators (docs/quantization.md lists them)")

    def _is_weighted(self, node: onnx.NodeProto) -> bool:
        if node.op_type not in {"Conv", "Gemm", "MatMul"} or node.input[0] in self._graph.constants:
            return False
        weight = self._graph.constants.get(node.input[1])
        return weight is not None and (node.op_type != "MatMul" or weight.ndim == 2)

    def _is_bias(self, add: onnx.NodeProto, product: onnx.NodeProto) -> bool:
        constants = [self._graph.constants[name] for name in add.input if name in self._graph.constants]
        if add.op_type != "Add" or len(constants) != 1:
            return False
        width = self._graph.constants[product.input[1]].shape[1]
        return constants[0].size == width and constants[0].shape[-1:] == (width,)

    def _pads_with_zero(self, node: onnx.NodeProto) -> bool:
        value = self._graph.constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        mode = attributes(node).get("mode", b"constant")
        return mode == b"constant" and (value is None or float(value) == 0)

    def _only_reader(self, name: str) -> onnx.NodeProto | None:
        readers = self._readers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self._graph.output_names() else None

    def _unsupported(self, node: onnx.NodeProto, remedy: str) -> TinyFormerError:
        return TinyFormerError(f"The {describe(node, self._graph)} cannot be quantized to INT8: {remedy}.")
