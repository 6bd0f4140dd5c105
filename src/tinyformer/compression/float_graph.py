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
from onnx.reference import ReferenceEvaluator

from tinyformer.errors import TinyFormerError

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
    """The attributes of ``node`` as Python values."""
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


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
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, RuntimeError, StopIteration) as error:
        message = str(error).strip().splitlines()
        raise TinyFormerError(
            f"The ONNX model is not valid ({message[0] if message else 'no standard operators'}); export it anew."
        ) from error
    graph = _read(inferred, opset)
    _remove_pass_through(graph)
    _fold_constants(graph)
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
    """Drop nodes that copy their input, unless they make a graph output."""
    alias: dict[str, str] = {}
    kept = []
    for node in graph.nodes:
        for i, name in enumerate(node.input):
            node.input[i] = alias.get(name, name)
        if node.op_type in _PASS_THROUGH and node.output[0] not in graph.output_names():
            alias[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    graph.nodes = kept


def _fold_constants(graph: FloatGraph) -> None:
    """Evaluate what depends on constants or on static shapes alone."""
    kept = []
    for node in graph.nodes:
        if node.op_type == "Shape" and _is_static(graph.shapes.get(node.input[0])):
            bounds = attributes(node)
            shape = graph.shapes[node.input[0]][bounds.get("start", 0) : bounds.get("end")]
            graph.constants[node.output[0]] = np.array(shape, np.int64)
        elif graph.activations(node):
            kept.append(node)
        else:
            feeds = {name: graph.constants[name] for name in node.input if name}
            values = ReferenceEvaluator(node).run(None, feeds)
            graph.constants.update(zip(node.output, map(np.asarray, values), strict=True))
    graph.nodes = kept


def _is_static(shape: tuple[int | str, ...] | None) -> bool:
    return shape is not None and all(isinstance(size, int) for size in shape)


def _fold_batchnorm(graph: FloatGraph) -> None:
    """Fold each BatchNormalization into the Conv before it, in double precision."""
    readers = graph.consumers()
    producers = {output: node for node in graph.nodes for output in node.output}
    folded: list[onnx.NodeProto] = []
    for norm in graph.nodes:
        if norm.op_type != "BatchNormalization":
            continue
        conv = producers.get(norm.input[0])
        if conv is None or conv.op_type != "Conv" or len(readers[norm.input[0]]) > 1:
            raise TinyFormerError(
                f"The {describe(norm, graph)} does not follow a convolution of its own; fold or move it."
            )
        gamma, beta, mean, variance = (graph.constants[name].astype(np.float64) for name in norm.input[1:5])
        scale = gamma / np.sqrt(variance + attributes(norm).get("epsilon", 1e-5))
        weight = graph.constants[conv.input[1]]
        bias = graph.constants[conv.input[2]] if len(conv.input) > 2 else np.zeros(len(scale))
        stem = norm.output[0]
        graph.constants[f"{stem}.weight"] = (weight * scale[:, None, None, None]).astype(weight.dtype)
        graph.constants[f"{stem}.bias"] = ((bias - mean) * scale + beta).astype(weight.dtype)
        inputs = [conv.input[0], f"{stem}.weight", f"{stem}.bias"]
        del conv.input[:]
        conv.input.extend(inputs)
        conv.output[0] = stem
        folded.append(norm)
    graph.nodes = [node for node in graph.nodes if node not in folded]


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
