# SPDX-License-Identifier: Apache-2.0
"""Building a :class:`~tinyformer.ir.lowering.network.Network` on the tensors of a TensorFlow Lite model.

Tensors keep their layout (images channels last). Operators over images have channels first in the network, so they
stand between two transpositions, which are views and cost nothing.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyformer.errors import TinyFormerError
from tinyformer.ir.lowering.network import Constant, Network, Node
from tinyformer.ir.lowering.table import CLAMPS
from tinyformer.ir.quantization import Quantization
from tinyformer.ir.tflite_import.reading import TfliteModel, TfliteOperator, TfliteTensor

_CLAMPS = {"NONE": (-inf, inf), "RELU": (0.0, inf), "RELU_N1_TO_1": (-1.0, 1.0), "RELU6": (0.0, 6.0)}


class NetworkBuilder:
    """The network of a model under construction; it starts with the tensors and without nodes."""

    def __init__(self, model: TfliteModel) -> None:
        self.model = model
        self.names = unique_names(model.tensors)
        self.network = Network(model.name, self.names[model.inputs[0]], [], [], {}, {}, {}, ties_away=True)
        for name, tensor in zip(self.names, model.tensors, strict=True):
            self.network.shapes[name] = tensor.shape
            if tensor.value is not None:
                self.network.constants[name] = _constant(tensor)
            elif tensor.scale.size and tensor.dtype in (np.int8, np.uint8):
                self.network.quantization[name] = _quantization(model, tensor)
        self._channels_last_input()

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor of the network."""
        return self.network.shapes[name]

    def inputs(self, operator: TfliteOperator) -> list[str]:
        """Names of the operator's inputs, "" for omitted ones."""
        return ["" if i < 0 else self.names[i] for i in operator.inputs]

    def value(self, operator: TfliteOperator, index: int) -> NDArray[Any]:
        """Constant input ``index``."""
        tensor = self.model.tensors[operator.inputs[index]]
        if tensor.value is None:
            raise TinyFormerError(
                f"{operator.kind} {self.names[operator.outputs[0]]!r} computes its parameters at run time: "
                "make them constant"
            )
        return tensor.value

    def constant(self, name: str, value: NDArray[Any], scale: NDArray[np.float64] | None = None) -> str:
        """Add a constant."""
        self.network.constants[name] = Constant(value, scale)
        self.network.shapes[name] = value.shape
        return name

    def node(self, kind: str, inputs: list[str], operator: TfliteOperator, **attributes: Any) -> Node:
        """Append a node that makes the operator's output; its fused activation becomes the clamp."""
        output = self.names[operator.outputs[0]]
        node = Node(kind, output, inputs, output, attributes)
        if operator.options is not None and hasattr(operator.options, "FusedActivationFunction"):
            node.clamp = _CLAMPS.get(operator.activation, (-inf, inf))
            if operator.activation not in _CLAMPS:
                node.operator = f"{operator.kind} with {operator.activation}"
        self.network.nodes.append(node)
        return node

    def refuse(self, operator: TfliteOperator, kind: str, reason: str) -> None:
        """Append a node of the unknown ``kind``, to be reported for ``reason``, with all others of its like."""
        outputs = [self.names[i] for i in operator.outputs] or [f"{operator.kind} {len(self.network.nodes)}"]
        inputs = [name for name in self.inputs(operator) if name]
        for output in outputs:
            if reason:
                self.network.reasons[output] = reason
            self.network.nodes.append(Node(kind, output, inputs, output))

    def separate_clamps(self) -> None:
        """Make a node of its own of each clamp that an operator cannot take in."""
        nodes: list[Node] = []
        for node in self.network.nodes:
            nodes.append(node)
            if node.clamp != (-inf, inf) and node.operator not in CLAMPS:
                result, (low, high) = node.output, node.clamp
                node.output = self.like(result, f"{result}/unclamped", self.shape(result))
                node.clamp = (-inf, inf)
                nodes.append(Node("Clip", f"{result}/clamp", [node.output], result, {"min": low, "max": high}))
        self.network.nodes = nodes

    def image_node(self, kind: str, x: str, inputs: list[str], operator: TfliteOperator, **attributes: Any) -> None:
        """A node over images (N, C, H, W) between two transpositions."""
        if len(self.shape(x)) != 4:
            self.node(f"{kind} of {len(self.shape(x))} dimensions", [x], operator)
            return
        first = self.transposed(x, (0, 3, 1, 2), f"{self.names[operator.outputs[0]]}/{x}/nchw")
        node = self.node(kind, [first, *inputs], operator, **attributes)
        result = node.output
        shape = self.shape(result)
        node.output = self.like(result, f"{result}/nchw", tuple(shape[axis] for axis in (0, 3, 1, 2)))
        self.network.nodes.append(Node("Transpose", f"{result}/nhwc", [node.output], result, {"perm": (0, 2, 3, 1)}))

    def transposed(self, x: str, permutation: tuple[int, ...], name: str) -> str:
        """A view of ``x`` with its axes permuted."""
        shape = self.shape(x)
        y = self.like(x, name, tuple(shape[axis] for axis in permutation))
        self.network.nodes.append(Node("Transpose", name, [x], y, {"perm": permutation}))
        return y

    def reshaped(self, x: str, shape: tuple[int, ...], name: str) -> str:
        """A view of ``x`` under another shape."""
        y = self.like(x, name, shape)
        self.network.nodes.append(Node("Reshape", name, [x], y))
        return y

    def like(self, x: str, name: str, shape: tuple[int, ...]) -> str:
        """Declare tensor ``name``, quantized like ``x``."""
        self.network.shapes[name] = shape
        if x in self.network.quantization:
            self.network.quantization[name] = self.network.quantization[x]
        return name

    def channels_first(self, name: str) -> str:
        """An image as the network hands it out; anything else as it is."""
        return self.transposed(name, (0, 3, 1, 2), f"{name}/nchw") if len(self.shape(name)) == 4 else name

    def _channels_last_input(self) -> None:
        """The network's input has channels first; the model sees it through a transposition."""
        name = self.network.input
        shape = self.shape(name)
        if len(shape) != 4:
            return
        outside = self.like(name, f"{name}/input", tuple(shape[axis] for axis in (0, 3, 1, 2)))
        self.network.input = outside
        self.network.nodes.append(Node("Transpose", f"{name}/nhwc", [outside], name, {"perm": (0, 2, 3, 1)}))


def unique_names(tensors: list[TfliteTensor]) -> list[str]:
    """A name for each tensor, none of them twice."""
    names: list[str] = []
    seen: set[str] = set()
    for i, tensor in enumerate(tensors):
        name = tensor.name or f"tensor{i}"
        if name in seen:
            name = f"{name}.{i}"
        seen.add(name)
        names.append(name)
    return names


def _quantization(model: TfliteModel, tensor: TfliteTensor) -> Quantization:
    if tensor.scale.size != 1 or not (np.isfinite(tensor.scale[0]) and tensor.scale[0] > 0):
        raise TinyFormerError(
            f"tensor {tensor.name!r} of model {model.name!r} has {tensor.scale.size} scales of which the first is "
            f"{tensor.scale[0]:g}; an activation needs one above 0: convert the model again with a representative "
            "data set"
        )
    zero_point = int(tensor.zero_point[0]) if tensor.zero_point.size else 0
    return Quantization(float(tensor.scale[0]), zero_point - (128 if tensor.dtype is np.uint8 else 0))


def _constant(tensor: TfliteTensor) -> Constant:
    assert tensor.value is not None
    if not tensor.scale.size or tensor.dtype is np.float32:
        return Constant(tensor.value)
    rank = max(tensor.value.ndim, 1)
    shape = [1] * rank
    if tensor.scale.size > 1:
        shape[_axis_of_scales(tensor)] = tensor.scale.size
    zero_point = np.zeros(1, np.int64) if not tensor.zero_point.size else tensor.zero_point
    centred = tensor.value.astype(np.int64) - zero_point.reshape(shape if zero_point.size > 1 else [1] * rank)
    scale = np.where(tensor.scale == 0, 1.0, tensor.scale)
    return Constant(centred.reshape(tensor.value.shape), scale.reshape(shape))


def _axis_of_scales(tensor: TfliteTensor) -> int:
    """The axis along which the scales differ; converters of TensorFlow 2.0 to 2.2 gave biases that of the weights.

    Raises ``ValueError`` if no axis has as many elements as there are scales.
    """
    count = int(tensor.scale.size)
    for axis in (tensor.axis, *range(len(tensor.shape))):
        if axis < len(tensor.shape) and tensor.shape[axis] == count:
            return int(axis)
    raise ValueError(f"tensor {tensor.name!r} of shape {tensor.shape} has {count} scales along axis {tensor.axis}")
