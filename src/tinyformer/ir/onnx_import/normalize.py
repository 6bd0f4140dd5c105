# SPDX-License-Identifier: Apache-2.0
"""Q/DQ pairs become annotations: from an ONNX graph to a :class:`~tinyformer.ir.lowering.network.Network`."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from tinyformer.errors import TinyFormerError
from tinyformer.ir.lowering.network import Constant, Network, Node
from tinyformer.ir.lowering.separation import QUANTIZE, separate_quantizations
from tinyformer.ir.onnx_import.reading import OnnxGraph, OnnxNode
from tinyformer.ir.quantization import Quantization

Vector: TypeAlias = NDArray[np.float64]

_ALIASES = {"Identity", "Dropout"}
_REAL_TYPES = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}
_WIDE_INTEGERS = {TensorProto.INT32, TensorProto.INT64}
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
        self._forms: dict[tuple[str, Quantization], str] = {}
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
                case "Cast":
                    self._cast(node, node.attributes["to"])
                case "CastLike":
                    self._cast(node, self._graph.types.get(node.inputs[1], TensorProto.UNDEFINED))
                case "Split":
                    self._split(node)
                case operator if operator in _CONSTANT_VIEWS and node.inputs[0] in self.network.constants:
                    self._constant_view(node)
                case _:
                    self._keep(node)
        self.network.outputs = [self._root(name) for name in self._graph.outputs]
        separate_quantizations(self.network)
        return self.network

    def _root(self, tensor: str) -> str:
        return self._aliases.get(tensor, tensor)

    def _alias(self, tensor: str, target: str) -> None:
        if target in self.network.constants:
            self.network.constants[tensor] = self.network.constants[target]
        else:
            self._aliases[tensor] = self._root(target)

    def _cast(self, node: OnnxNode, to: int) -> None:
        """Nothing between real types and from wide integers; truncation to wide integers; unknown for the others."""
        source = self._graph.types.get(node.inputs[0], TensorProto.UNDEFINED)
        if to in _REAL_TYPES and source in _REAL_TYPES | _WIDE_INTEGERS:
            self._alias(node.outputs[0], node.inputs[0])
            return
        x, y = self._root(node.inputs[0]), node.outputs[0]
        truncates = to in _WIDE_INTEGERS and source in _REAL_TYPES
        types = [TensorProto.DataType.Name(kind) for kind in (source, to)]
        operator = "Cast" if truncates else f"Cast from {types[0]} to {types[1]}"
        self.network.nodes.append(Node(operator, node.name, [x], y))

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
        if x in network.constants:
            network.constants[y] = self._quantized_constant(node, network.constants[x])
            return
        channels = self._channels(node)
        if channels is not None:
            # q = x / s_c + z_c is x / s_c + (z_c - z), quantized with the scale 1 and one zero point z.
            factors, offsets, zero_point = channels
            x = self._affine(node, x, f"{y}/scaled", 1 / factors, offsets - zero_point)
            quantization = Quantization(1.0, zero_point)
        else:
            quantization = self._activation_quantization(node)
        if network.quantization.get(x) == quantization:
            self._alias(y, x)
            return
        form = self._forms.setdefault((x, quantization), y)
        if form != y:
            self._alias(y, form)
            return
        network.quantization[y] = quantization
        network.nodes.append(Node(QUANTIZE, node.name, [x], y))

    def _dequantize(self, node: OnnxNode) -> None:
        network, source, y = self.network, node.inputs[0], node.outputs[0]
        if source in self._graph.constants:
            network.constants[y] = self._dequantized_constant(node)
            return
        if source in network.constants:  # quantized by a node before
            network.constants[y] = network.constants[source]
            return
        x = self._root(source)
        channels = self._channels(node)
        if channels is not None:
            factors, offsets, _ = channels
            scale, zero_point = network.quantization.setdefault(x, Quantization(1.0, channels[2]))
            # (q - z_c) s_c, where x stands for (q - zero_point) scale
            result = self._affine(node, x, y, factors / scale, (zero_point - offsets) * factors)
            assert result == y
            return
        quantization = self._activation_quantization(node)
        if network.quantization.setdefault(x, quantization) == quantization:
            self._alias(y, x)
            return
        network.quantization[y] = quantization  # the same integers, read with another scale
        network.nodes.append(Node("DequantizeLinear", node.name, [x], y))

    def _channels(self, node: OnnxNode) -> tuple[Vector, Vector, int] | None:
        """Scales and zero points of an activation that is quantized per channel, and one of the zero points."""
        scale, zero_point = self._parameters(node)
        if scale.size == 1:
            return None
        shape = self.network.shapes.get(self._root(node.inputs[0]), ())
        axis = node.attributes.get("axis", 1)
        if not -len(shape) <= axis < len(shape) or scale.size != shape[axis]:
            raise TinyFormerError(
                f"{node.name!r} quantizes an activation of shape {shape} with {scale.size} scales: choose one a tensor"
            )
        self._check_parameters(node, scale, zero_point)
        full = tuple(scale.size if i == axis % len(shape) else 1 for i in range(len(shape)))
        points = np.broadcast_to(zero_point.astype(np.float64) - self._shift(zero_point), scale.shape)
        return scale.astype(np.float64).reshape(full), points.reshape(full), int(points[0])

    def _affine(self, node: OnnxNode, x: str, y: str, factors: Vector, offsets: Vector) -> str:
        """Nodes that make ``y`` = x * factors + offsets."""
        network, shape = self.network, self.network.shapes[x]
        steps = [("Mul", factors)] + ([("Add", offsets)] if np.any(offsets) else [])
        for i, (operator, values) in enumerate(steps):
            name = y if i == len(steps) - 1 else f"{y}/{operator}"
            constant = f"{name}/{operator}.values"
            network.constants[constant], network.shapes[constant] = Constant(values), values.shape
            network.shapes[name] = shape
            network.nodes.append(Node(operator, f"{node.name}/{operator}", [x, constant], name))
            x = name
        return y

    def _activation_quantization(self, node: OnnxNode) -> Quantization:
        scale, zero_point = self._parameters(node)
        self._check_parameters(node, scale, zero_point)
        return Quantization(float(scale.reshape(())), int(zero_point.reshape(-1)[0]) - self._shift(zero_point))

    @staticmethod
    def _shift(zero_point: NDArray[Any]) -> int:
        """What is taken from the zero point of UINT8 to make it one of INT8."""
        return 128 if zero_point.dtype == np.uint8 else 0

    def _check_parameters(self, node: OnnxNode, scale: NDArray[Any], zero_point: NDArray[Any]) -> None:
        if zero_point.dtype not in (np.int8, np.uint8):
            raise TinyFormerError(
                f"{node.operator} {node.name!r} quantizes an activation to {zero_point.dtype}: quantize the model with "
                "INT8 or UINT8 activations (onnxruntime: activation_type=QuantType.QInt8)"
            )
        wrong = scale[~(np.isfinite(scale) & (scale > 0))]
        if wrong.size:
            raise TinyFormerError(
                f"{node.operator} {node.name!r} has the scale {float(wrong.reshape(-1)[0]):g}, not one above 0: "
                "calibrate the model again"
            )

    def _quantized_constant(self, node: OnnxNode, constant: Constant) -> Constant:
        """A constant that stands in the model in float, with a QuantizeLinear behind it."""
        scale, zero_point = self._parameters(node)
        self._check_parameters(node, scale, zero_point)
        rank = constant.values.ndim
        shape = [1] * rank
        if scale.size > 1:
            shape[node.attributes.get("axis", 1) % rank] = scale.size
        steps, zeros = scale.astype(np.float32).reshape(shape), zero_point.astype(np.int64).reshape(-1)
        points = zeros.reshape(shape if zeros.size > 1 else [1] * rank)
        limits = np.iinfo(zero_point.dtype)
        integers = np.rint(constant.real.astype(np.float32) / steps).astype(np.int64) + points
        return Constant(np.clip(integers, limits.min, limits.max) - points, steps.astype(np.float64))

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
        # A scale of 0 makes zeros of whatever stands there; any other scale gives the same zeros.
        full = scale.astype(np.float64).reshape(shape if scale.size > 1 else (1,) * values.ndim)
        return Constant(np.where(full == 0, 0, centred), np.where(full == 0, 1.0, full))

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
