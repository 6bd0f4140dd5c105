"""Q/DQ pairs become annotations: from an ONNX graph to a :class:`~tinyformer.ir.lowering.network.Network`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from tinyformer.errors import TinyFormerError
from tinyformer.ir.lowering.network import Constant, Network, Node, Quantization
from tinyformer.ir.onnx_import.reading import OnnxGraph, OnnxNode

_ALIASES = {"Identity", "Dropout", "Cast", "CastLike"}
_CONSTANT_VIEWS = {"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten"}
_INTEGER_OPERATORS = {"ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"}
_MICROSOFT_OPERATORS = {"Gelu", "QuickGelu", "FastGelu", "QuantizeLinear", "DequantizeLinear"}
"""Operators of onnxruntime's own domain that mean what their ONNX namesakes mean."""


def normalize(graph: OnnxGraph) -> Network:
    """Turn Q/DQ pairs into annotations. Raises :class:`TinyFormerError` if the model is not quantized in QDQ form."""
    operators = {node.operator for node in graph.nodes}
    foreign = sorted(name for name in operators if name.startswith("QLinear") or name in _INTEGER_OPERATORS)
    if foreign:
        raise TinyFormerError(
            f"model {graph.name!r} holds integer operators ({', '.join(foreign)}): quantize it in QDQ form "
            "(onnxruntime: quantize_static with QuantFormat.QDQ)"
        )
    if not operators & {"QuantizeLinear", "DequantizeLinear"}:
        raise TinyFormerError(
            f"model {graph.name!r} is not quantized: quantize it to INT8 first (onnxruntime: quantize_static with "
            "QuantFormat.QDQ)"
        )
    return _Normalizer(graph).run()


class _Normalizer:
    """Walks the nodes in order; ``aliases`` leads from every renamed tensor to the one that stands for it."""

    def __init__(self, graph: OnnxGraph) -> None:
        self._graph = graph
        self._aliases: dict[str, str] = {}
        self.network = Network(
            name=graph.name,
            input=graph.input,
            outputs=[],
            nodes=[],
            shapes=dict(graph.shapes),
            constants={name: Constant(values) for name, values in graph.constants.items()},
            quantization={},
        )

    def run(self) -> Network:
        for node in self._graph.nodes:
            match node.operator:
                case "QuantizeLinear":
                    self._quantize(node)
                case "DequantizeLinear":
                    self._dequantize(node)
                case operator if operator in _ALIASES:
                    self._alias(node.outputs[0], node.inputs[0])
                case "Split":
                    self._split(node)
                case operator if operator in _CONSTANT_VIEWS and node.inputs[0] in self.network.constants:
                    self._constant_view(node)
                case _:
                    self._keep(node)
        self.network.outputs = [self._root(name) for name in self._graph.outputs]
        return self.network

    def _root(self, tensor: str) -> str:
        return self._aliases.get(tensor, tensor)

    def _alias(self, tensor: str, target: str) -> None:
        if target in self.network.constants:
            self.network.constants[tensor] = self.network.constants[target]
        else:
            self._aliases[tensor] = self._root(target)

    def _keep(self, node: OnnxNode) -> None:
        operator = (
            node.operator
            if node.domain == "" or node.operator in _MICROSOFT_OPERATORS
            else f"{node.domain}.{node.operator}"
        )
        inputs = [self._root(name) for name in node.inputs]
        self.network.nodes.append(Node(operator, node.name, inputs, node.outputs[0], node.attributes))

    def _split(self, node: OnnxNode) -> None:
        """One Slice per output."""
        x = self._root(node.inputs[0])
        axis = node.attributes.get("axis", 0) % len(self.network.shapes[x])
        begin = 0
        for i, output in enumerate(node.outputs):
            end = begin + self.network.shapes[output][axis]
            attributes = {"axis": axis, "begin": begin, "end": end}
            self.network.nodes.append(Node("Slice", f"{node.name}.{i}", [x], output, attributes))
            begin = end

    def _quantize(self, node: OnnxNode) -> None:
        network, x, y = self.network, self._root(node.inputs[0]), node.outputs[0]
        quantization = self._activation_quantization(node)
        known = network.quantization.setdefault(x, quantization)
        if known == quantization:
            self._alias(y, x)
        else:
            network.quantization[y] = quantization
            network.nodes.append(Node("Identity", node.name, [x], y))

    def _dequantize(self, node: OnnxNode) -> None:
        source, y = node.inputs[0], node.outputs[0]
        if source in self._graph.constants:
            self.network.constants[y] = self._dequantized_constant(node)
            return
        x = self._root(source)
        quantization = self._activation_quantization(node)
        if self.network.quantization.setdefault(x, quantization) != quantization:
            raise TinyFormerError(
                f"{node.name!r} dequantizes {source!r} with another scale or zero point than it was quantized with: "
                "quantize the model again"
            )
        self._alias(y, x)

    def _activation_quantization(self, node: OnnxNode) -> Quantization:
        scale, zero_point = self._parameters(node)
        if scale.size != 1:
            raise TinyFormerError(
                f"{node.name!r} quantizes an activation per channel: only weights may be, choose per tensor"
            )
        if zero_point.dtype not in (np.int8, np.uint8):
            raise TinyFormerError(f"{node.name!r} quantizes an activation to {zero_point.dtype}: choose INT8 or UINT8")
        real = float(scale.reshape(()))
        if not (np.isfinite(real) and real > 0):
            raise TinyFormerError(f"{node.name!r} has the scale {real:g}: calibrate the model again")
        shift = 128 if zero_point.dtype == np.uint8 else 0
        return Quantization(real, int(zero_point.reshape(-1)[0]) - shift)

    def _dequantized_constant(self, node: OnnxNode) -> Constant:
        values = self._graph.constants[node.inputs[0]]
        scale, zero_point = self._parameters(node)
        if node.attributes.get("block_size", 0):
            raise TinyFormerError(f"{node.name!r} has weights quantized in blocks: choose per channel or per tensor")
        if not np.all(np.isfinite(scale)) or np.any(scale < 0):
            raise TinyFormerError(f"{node.name!r} has a scale that is negative or not finite: quantize the model again")
        shape: tuple[int, ...] = (1,) * values.ndim
        if scale.size > 1:
            axis = node.attributes.get("axis", 1) % values.ndim
            shape = tuple(size if i == axis else 1 for i, size in enumerate(values.shape))
        zero_point = zero_point.reshape(shape if zero_point.size > 1 else (1,) * values.ndim)
        centred = values.astype(np.int64) - zero_point.astype(np.int64)
        # A channel of zeros may have scale 0; any other scale gives the same zeros.
        positive = np.where(scale == 0, 1.0, scale.astype(np.float64))
        return Constant(centred, positive.reshape(shape if scale.size > 1 else (1,) * values.ndim))

    def _parameters(self, node: OnnxNode) -> tuple[NDArray[Any], NDArray[Any]]:
        """Scale and zero point; the zero point's type is that of the quantized tensor."""
        constants = self._graph.constants
        if node.inputs[1] not in constants or (
            len(node.inputs) > 2 and node.inputs[2] and node.inputs[2] not in constants
        ):
            raise TinyFormerError(f"{node.name!r} computes its scale at run time: quantize the model statically")
        scale = np.asarray(constants[node.inputs[1]])
        if len(node.inputs) > 2 and node.inputs[2]:
            return scale, np.asarray(constants[node.inputs[2]])
        kind = np.int8 if node.attributes.get("output_dtype") == TensorProto.INT8 else np.uint8
        if node.inputs[0] in constants:
            kind = constants[node.inputs[0]].dtype.type
        elif self._graph.types.get(node.inputs[0]) == TensorProto.INT8:
            kind = np.int8
        return scale, np.zeros((), kind)

    def _constant_view(self, node: OnnxNode) -> None:
        """Transposed or reshaped weights: apply it to the integers and to their scales."""
        constant = self.network.constants[node.inputs[0]]
        output = node.outputs[0]
        shape = self.network.shapes.get(output)
        if node.operator == "Transpose":
            axes = node.attributes.get("perm") or tuple(reversed(range(constant.values.ndim)))
            scale = None if constant.scale is None else constant.scale.transpose(axes)
            self.network.constants[output] = Constant(constant.values.transpose(axes), scale)
        elif shape is not None and (constant.scale is None or constant.scale.size == 1):
            scale = None if constant.scale is None else constant.scale.reshape((1,) * len(shape))
            self.network.constants[output] = Constant(constant.values.reshape(shape), scale)
        elif shape is not None and _without_ones(shape) == _without_ones(constant.values.shape):
            assert constant.scale is not None
            full = np.broadcast_to(constant.scale, constant.values.shape).reshape(shape)
            self.network.constants[output] = Constant(constant.values.reshape(shape), full)
        else:
            self._keep(node)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)
