# SPDX-License-Identifier: Apache-2.0
"""A float ONNX graph ready for quantization: constants are initializers, BatchNorm is folded.

:func:`prepare` turns any float model with one input into a :class:`FloatGraph`: nodes in execution order, constants as
arrays, shapes known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, version_converter

from tinyformer.errors import TinyFormerError
from tinyformer.ir import batchnorm
from tinyformer.ir.onnx_constants import fold_constants

MINIMAL_OPSET = 17
"""The first operator set with LayerNormalization."""

_PASS_THROUGH = {"Identity", "Dropout"}


@dataclass
class FloatGraph:
    """Nodes in execution order and what is known about their tensors."""

    name: str
    opset: int
    ir_version: int
    input: onnx.ValueInfoProto
    outputs: list[onnx.ValueInfoProto]
    nodes: list[onnx.NodeProto]
    constants: dict[str, NDArray[Any]]
    shapes: dict[str, tuple[int | str, ...]] = field(default_factory=dict)

    def activations(self, node: onnx.NodeProto) -> list[str]:
        """The inputs of ``node`` that are computed from the network's input."""
        return [name for name in node.input if name and name not in self.constants]

    def consumers(self) -> dict[str, list[onnx.NodeProto]]:
        """Which nodes read each tensor; a node that reads a tensor twice is listed twice."""
        readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                readers.setdefault(name, []).append(node)
        return readers

    def output_names(self) -> set[str]:
        """Names of the graph's outputs."""
        return {value.name for value in self.outputs}

    def model(
        self, nodes: Sequence[onnx.NodeProto] | None = None, constants: Mapping[str, NDArray[Any]] | None = None
    ) -> onnx.ModelProto:
        """The graph, or other nodes and constants under its name, as an ONNX model with inferred shapes.

        Constants that no node reads are left out.
        """
        nodes = self.nodes if nodes is None else nodes
        constants = self.constants if constants is None else constants
        used = {name for node in nodes for name in node.input}
        graph = helper.make_graph(
            nodes,
            self.name,
            [self.input],
            self.outputs,
            [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self.opset)],
            ir_version=self.ir_version,
            producer_name="tinyformer",
        )
        return onnx.shape_inference.infer_shapes(model)


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """The attributes of ``node`` as Python values, texts as str."""
    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}


def describe(node: onnx.NodeProto, graph: FloatGraph) -> str:
    """How error messages name a node: operator, name and output shape."""
    shape = graph.shapes.get(node.output[0])
    suffix = f" with output shape ({', '.join(map(str, shape))})" if shape else ""
    return f"{node.op_type} node '{node.name or node.output[0]}'{suffix}"


def prepare(model: onnx.ModelProto) -> FloatGraph:
    """Normalize ``model``: opset 17 or newer, constants and BatchNorm folded, a bias for every Conv and Gemm.

    Raises :class:`TinyFormerError` if the model is invalid, already quantized, or has more than one input.
    """
    try:
        onnx.checker.check_model(model)
        opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        if opset < MINIMAL_OPSET:
            model = version_converter.convert_version(model, MINIMAL_OPSET)
            opset = MINIMAL_OPSET
        folded = fold_constants(model)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, RuntimeError, StopIteration) as error:
        message = str(error).strip().splitlines()
        raise TinyFormerError(
            f"The ONNX model is not valid ({message[0] if message else 'no standard operators'}); export it anew."
        ) from error
    graph = _read(folded, opset)
    _remove_pass_through(graph)
    _split(graph)
    _fold_batchnorm(graph)
    _complete_biases(graph)
    return graph


def _read(model: onnx.ModelProto, opset: int) -> FloatGraph:
    proto = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.initializer}
    inputs = [value for value in proto.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise TinyFormerError(
            f"The ONNX model has {len(inputs)} inputs ({names}); exactly one, the image, is supported."
        )
    if any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in proto.node):
        raise TinyFormerError(
            "The ONNX model is quantized already; quantize the float model, or compile this one as it is."
        )
    graph = FloatGraph(proto.name, opset, model.ir_version, inputs[0], list(proto.output), list(proto.node), constants)
    for value in [*proto.input, *proto.value_info, *proto.output]:
        if value.type.tensor_type.HasField("shape"):
            dims = value.type.tensor_type.shape.dim
            graph.shapes[value.name] = tuple(
                dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in dims
            )
    return graph


def _remove_pass_through(graph: FloatGraph) -> None:
    """Drop nodes that copy their input; where they make a graph output, an Identity stays."""
    alias: dict[str, str] = {}
    kept = []
    for node in graph.nodes:
        for i, name in enumerate(node.input):
            node.input[i] = alias.get(name, name)
        if node.op_type not in _PASS_THROUGH:
            kept.append(node)
        elif node.output[0] in graph.output_names():
            kept.append(helper.make_node("Identity", [node.input[0]], [node.output[0]], node.name))
        else:
            alias[node.output[0]] = node.input[0]
    graph.nodes = kept


def _split(graph: FloatGraph) -> None:
    """Turn each Split into one Slice an output."""
    nodes: list[onnx.NodeProto] = []
    for node in graph.nodes:
        if node.op_type != "Split":
            nodes.append(node)
            continue
        axis, begin = attributes(node).get("axis", 0), 0
        for output in node.output:
            size = graph.shapes[output][axis]
            if not isinstance(size, int):
                raise TinyFormerError(f"The {describe(node, graph)} cuts an axis of unknown size; export fixed shapes.")
            bounds = {"starts": begin, "ends": begin + size, "axes": axis}
            for part, value in bounds.items():
                graph.constants[f"{output}.{part}"] = np.array([value], np.int64)
            begin += size
            nodes.append(
                helper.make_node("Slice", [node.input[0], *(f"{output}.{p}" for p in bounds)], [output], output)
            )
    graph.nodes = nodes


def _fold_batchnorm(graph: FloatGraph) -> None:
    """Fold each BatchNormalization into the layer before it, in double precision; others become 1x1 convolutions."""
    readers = graph.consumers()
    producers = {output: node for node in graph.nodes for output in node.output}
    nodes: list[onnx.NodeProto] = []
    for norm in graph.nodes:
        if norm.op_type != "BatchNormalization":
            nodes.append(norm)
            continue
        gamma, beta, mean, variance = (graph.constants[name] for name in norm.input[1:5])
        affine = batchnorm.factors_and_offsets(gamma, beta, mean, variance, attributes(norm).get("epsilon", 1e-5))
        layer, stem = producers.get(norm.input[0]), norm.output[0]
        alone = len(readers[norm.input[0]]) > 1 or norm.input[0] in graph.output_names()
        if layer is None or alone or not _takes_batchnorm(layer, graph):
            layer = _channelwise(norm, graph, len(gamma))
            nodes.append(layer)
        weight = graph.constants[layer.input[1]]
        bias = graph.constants[layer.input[2]] if len(layer.input) > 2 else None
        parameters = batchnorm.folded(weight, bias, *affine)
        for part, values in zip(("weight", "bias"), parameters, strict=True):
            graph.constants[f"{stem}.{part}"] = values.astype(weight.dtype)
        inputs = [layer.input[0], f"{stem}.weight", f"{stem}.bias"]
        del layer.input[:]
        layer.input.extend(inputs)
        layer.output[0] = stem
        producers[stem] = layer
    graph.nodes = nodes


def _takes_batchnorm(layer: onnx.NodeProto, graph: FloatGraph) -> bool:
    """Whether outputs of ``layer`` come first in its weights, so that factors can go there."""
    plain = layer.op_type == "Conv" or (layer.op_type == "Gemm" and attributes(layer) == {"transB": 1})
    return plain and all(name in graph.constants for name in layer.input[1:])


def _channelwise(norm: onnx.NodeProto, graph: FloatGraph, channels: int) -> onnx.NodeProto:
    """A depthwise convolution of one tap, to be scaled and shifted."""
    rank = len(graph.shapes.get(norm.input[0], ()))
    if rank not in (3, 4):
        raise TinyFormerError(
            f"The {describe(norm, graph)} follows no layer of its own and is over no image; fold or move it."
        )
    name = f"{norm.output[0]}.ones"
    graph.constants[name] = np.ones((channels, 1, *[1] * (rank - 2)), np.float32)
    return helper.make_node("Conv", [norm.input[0], name], [norm.output[0]], norm.name, group=channels)


def _complete_biases(graph: FloatGraph) -> None:
    """Give every Conv and Gemm a bias, of zeros if need be."""
    for node in graph.nodes:
        if (
            node.op_type in {"Conv", "Gemm"}
            and node.input[1] in graph.constants
            and len([*filter(None, node.input)]) < 3
        ):
            weight = graph.constants[node.input[1]]
            outputs = weight.shape[1 if node.op_type == "Gemm" and not attributes(node).get("transB", 0) else 0]
            inputs = [*node.input[:2], f"{node.output[0]}.bias"]
            graph.constants[inputs[2]] = np.zeros(outputs, weight.dtype)
            del node.input[:]
            node.input.extend(inputs)
