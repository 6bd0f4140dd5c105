# SPDX-License-Identifier: Apache-2.0
"""A float ONNX graph as a torch module, operator by operator, so that it can be trained as it will be deployed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tinyformer.compression.float_graph import FloatGraph, attributes, describe
from tinyformer.compression.torch_operators import Operator, torch_operator
from tinyformer.errors import TinyFormerError
from tinyformer.ir.lowering.table import OPERATORS

Transform: TypeAlias = Callable[[str, Tensor], Tensor]
"""Changes a named value before it is used."""


class TorchGraph(nn.Module):
    """``graph`` on tensors; its floating-point constants of more than one element are parameters.

    Raises :class:`TinyFormerError` naming an operator that has no counterpart here.
    """

    def __init__(self, graph: FloatGraph) -> None:
        super().__init__()
        self._graph = graph
        self._steps = [(node, _operator(node, graph)) for node in graph.nodes]
        used = {name for node in graph.nodes for name in node.input}
        self.weights = nn.ParameterDict(
            {
                _key(name): nn.Parameter(torch.from_numpy(np.array(value, np.float32)))
                for name, value in graph.constants.items()
                if name in used and value.dtype.kind == "f" and value.size > 1
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) -> the graph's first output."""
        return self.run(x, lambda name, value: value, lambda name, value: value)

    def run(self, x: Tensor, on_weight: Transform, on_activation: Transform) -> Tensor:
        """As :meth:`forward`, every parameter and every computed value passing through a transformation."""
        values: dict[str, Tensor] = {self._graph.input.name: x}
        for node, operator in self._steps:
            inputs = [values[name] if name in values else self._constant(name, on_weight) for name in node.input]
            values[node.output[0]] = on_activation(node.output[0], operator(*inputs))
        return values[self._graph.outputs[0].name]

    @property
    def input(self) -> str:
        """Name of the graph's input."""
        return self._graph.input.name

    def parameter(self, name: str) -> nn.Parameter:
        """The parameter that is the graph's constant ``name``."""
        parameter: nn.Parameter = self.weights[_key(name)]
        return parameter

    def constants(self) -> dict[str, NDArray[np.float32]]:
        """The parameters under their names in the graph."""
        names = [name for name in self._graph.constants if _key(name) in self.weights]
        return {name: self.parameter(name).detach().cpu().numpy() for name in names}

    def _constant(self, name: str, on_weight: Transform) -> Any:
        if not name:
            return None
        return on_weight(name, self.parameter(name)) if _key(name) in self.weights else self._graph.constants[name]


def _key(name: str) -> str:
    """Parameter names may not hold dots."""
    return name.replace(".", "/")


def _operator(node: onnx.NodeProto, graph: FloatGraph) -> Operator:
    operator = torch_operator(node.op_type, attributes(node))
    if operator is None:
        why = OPERATORS[node.op_type].untrained if node.op_type in OPERATORS else ""
        raise TinyFormerError(
            f"The {describe(node, graph)} cannot be trained with quantization{f' ({why})' if why else ''}; "
            "set quantization.training to null."
        )
    return operator
