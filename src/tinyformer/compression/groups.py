# SPDX-License-Identifier: Apache-2.0
"""Which nodes of a float graph one integer operator executes: the places where quantization happens.

A group reads quantized activations, computes in float between DequantizeLinear and QuantizeLinear, and writes one
quantized activation. Biases, ReLU and ReLU6 join the operator before them; any tree of element-wise functions of a
single activation (SiLU, a decomposed GELU, ...) is one group, because an integer engine evaluates it by one table.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from tinyformer.compression.float_graph import FloatGraph, attributes, describe
from tinyformer.errors import TinyFormerError
from tinyformer.ir.islands import Islands
from tinyformer.ir.lowering.function import Scale
from tinyformer.ir.lowering.table import OPERATORS, is_elementwise
from tinyformer.ir.onnx_constants import STANDARD_DOMAINS


@dataclass(frozen=True)
class Group:
    """Nodes in execution order, the activations they read from elsewhere, and the one they write."""

    scale: Scale
    nodes: tuple[onnx.NodeProto, ...]
    inputs: tuple[str, ...]
    output: str


_RECTIFIERS = {"Relu", "Clip"}
COMBINING = {"Add", "Sub", "Mul", "Div"}
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
        self._tails: dict[str, list[onnx.NodeProto]] = {}
        """For each operator that takes them along: the bias and rectifier nodes after it."""
        self._fused: set[str] = set()
        """Outputs of these."""
        self._islands: Islands[onnx.NodeProto] = Islands()
        self._islands.begin(graph.input.name)
        for node in graph.nodes:
            self._check(node)
            self._place(node)

    def groups(self) -> list[Group]:
        found = []
        for node in self._graph.nodes:
            if node.output[0] in self._fused:
                continue
            tail = self._tails.get(node.output[0], [])
            output = tail[-1].output[0] if tail else node.output[0]
            root = self._root(output)
            if root != output:
                if self._must_exist(output):
                    nodes = tuple(self._islands.members(output, root))
                    found.append(Group(Scale.OBSERVED, nodes, (root,), output))
            else:
                inputs = tuple(dict.fromkeys(self._graph.activations(node)))
                found.append(Group(self._scale(node), (node, *tail), inputs, output))
        return found

    def _check(self, node: onnx.NodeProto) -> None:
        """Refuse what has no INT8 form whatever stands around it."""
        function = OPERATORS.get(node.op_type)
        if function is not None and function.unquantized:
            raise self._unsupported(node, function.unquantized)
        if function is None or node.domain not in STANDARD_DOMAINS:
            raise self._unsupported(node, "rewrite it with supported operators (docs/model_import.md lists them)")

    def _root(self, tensor: str) -> str:
        """The activation that ``tensor`` is an element-wise function of, itself where it is none."""
        return self._islands.origins(tensor)[0]

    def _place(self, node: onnx.NodeProto) -> None:
        """Settle the root of the node's output, and what joins the node if it is an operator of its own."""
        output = node.output[0]
        constants = [self._graph.constants[name].size for name in node.input if name in self._graph.constants]
        elementwise = output not in self._fused and is_elementwise(node.op_type, constants)
        if elementwise and self._islands.join(node, output, self._graph.activations(node)):
            return
        self._islands.begin(output)
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

    def _must_exist(self, name: str) -> bool:
        """Whether an element-wise result is needed as a quantized tensor: not only inside its own group."""
        if name in self._graph.output_names():
            return True
        own = self._root(name)
        return any(self._root(reader.output[0]) != own for reader in self._readers.get(name, []))

    def _scale(self, node: onnx.NodeProto) -> Scale:
        """How the output of a node that is no part of an island finds its scale."""
        if self._is_weighted(node):
            return Scale.WEIGHTED
        function, activations = OPERATORS[node.op_type], self._graph.activations(node)
        several = function.real is not None or function.name in {"Concat", "MatMul"}
        if node.op_type in {"Conv", "Gemm"}:
            raise self._unsupported(node, "its weights must be constants")
        if function.name == "Pad" and not self._pads_with_zero(node):
            raise self._unsupported(node, "pad with zeros")
        if function.scale is None or function.lower is None or not (several or activations == [node.input[0]]):
            raise self._unsupported(node, "rewrite it with supported operators (docs/model_import.md lists them)")
        return Scale.OBSERVED if function.scale is Scale.WEIGHTED else function.scale

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
        mode = attributes(node).get("mode", "constant")
        return mode == "constant" and (value is None or float(value) == 0)

    def _only_reader(self, name: str) -> onnx.NodeProto | None:
        readers = self._readers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self._graph.output_names() else None

    def _unsupported(self, node: onnx.NodeProto, remedy: str) -> TinyFormerError:
        return TinyFormerError(f"The {describe(node, self._graph)} cannot be quantized to INT8: {remedy}.")
