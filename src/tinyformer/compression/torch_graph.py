"""A float ONNX graph as a torch module, operator by operator, so that it can be trained as it will be deployed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tinyformer.compression.float_graph import FloatGraph, attributes, describe
from tinyformer.errors import TinyFormerError

Operator: TypeAlias = Callable[..., Tensor]
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
        values: dict[str, Any] = {self._graph.input.name: x}
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
        return self.weights[_key(name)]

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


Options: TypeAlias = dict[str, Any]
"""A node's attributes."""


def _operator(node: onnx.NodeProto, graph: FloatGraph) -> Operator:
    options = attributes(node)
    if node.op_type in _SIMPLE:
        function = _SIMPLE[node.op_type]
        return lambda *inputs: function(*map(_tensor, inputs))
    known = node.op_type in _CONFIGURED and all(options.get(key, value) == value for key, value in _FIXED.items())
    if not known or not _is_symmetric(options.get("pads", [])):
        raise TinyFormerError(
            f"The {describe(node, graph)} cannot be trained with quantization; set quantization.training to null."
        )
    return _CONFIGURED[node.op_type](options)


def _convolution(options: Options) -> Operator:
    strides, dilations = options.get("strides", [1, 1]), options.get("dilations", [1, 1])
    padding, groups = options.get("pads", [0, 0])[:2], options.get("group", 1)
    return lambda x, w, b=None: F.conv2d(x, w, b, strides, padding, dilations, groups)


def _gemm(options: Options) -> Operator:
    return lambda x, w, b=None: F.linear(x, w if options.get("transB", 0) else w.T, b)


def _clip(options: Options) -> Operator:
    return lambda x, low=None, high=None: x.clamp(*(None if bound is None else float(bound) for bound in (low, high)))


def _gelu(options: Options) -> Operator:
    return lambda x: F.gelu(x, approximate=options.get("approximate", b"none").decode())


def _layer_norm(options: Options) -> Operator:
    return lambda x, gamma, beta=None: F.layer_norm(x, gamma.shape, gamma, beta, options.get("epsilon", 1e-5))


def _softmax(options: Options) -> Operator:
    return lambda x: x.softmax(options.get("axis", -1))


def _global_average_pool(options: Options) -> Operator:
    return lambda x: x.mean(dim=(2, 3), keepdim=True)


def _average_pool(options: Options) -> Operator:
    kernel, strides, padding = options["kernel_shape"], options.get("strides", [1, 1]), options.get("pads", [0, 0])[:2]
    counted = bool(options.get("count_include_pad", 0))
    return lambda x: F.avg_pool2d(x, kernel, strides, padding, count_include_pad=counted)


def _max_pool(options: Options) -> Operator:
    kernel, strides, padding = options["kernel_shape"], options.get("strides", [1, 1]), options.get("pads", [0, 0])[:2]
    return lambda x: F.max_pool2d(x, kernel, strides, padding)


def _reshape(options: Options) -> Operator:
    return lambda x, shape: x.reshape([x.shape[i] if size == 0 else int(size) for i, size in enumerate(shape)])


def _flatten(options: Options) -> Operator:
    return lambda x: x.flatten(options.get("axis", 1))


def _transpose(options: Options) -> Operator:
    return lambda x: x.permute(options["perm"])


def _concatenation(options: Options) -> Operator:
    return lambda *parts: torch.cat(parts, options["axis"])


def _is_symmetric(pads: list[int]) -> bool:
    return pads[: len(pads) // 2] == pads[len(pads) // 2 :]


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.as_tensor(float(value))


_SIMPLE: dict[str, Operator] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": torch.div,
    "Erf": torch.erf,
    "HardSwish": F.hardswish,
    "MatMul": torch.matmul,
    "Relu": F.relu,
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
}
_CONFIGURED: dict[str, Callable[[Options], Operator]] = {
    "AveragePool": _average_pool,
    "Clip": _clip,
    "Concat": _concatenation,
    "Conv": _convolution,
    "Flatten": _flatten,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average_pool,
    "LayerNormalization": _layer_norm,
    "MaxPool": _max_pool,
    "Reshape": _reshape,
    "Softmax": _softmax,
    "Transpose": _transpose,
}
_FIXED = {"auto_pad": b"NOTSET", "ceil_mode": 0, "allowzero": 0, "storage_order": 0}
"""Attributes that are understood in their default only."""
