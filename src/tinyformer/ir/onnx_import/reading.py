# SPDX-License-Identifier: Apache-2.0
"""From a file to a checked ONNX model with one image a batch, known shapes and no constant expressions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
import onnx.inliner
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from tinyformer.errors import TinyFormerError
from tinyformer.ir.onnx_constants import STANDARD_DOMAINS, fold_constants, static_shapes
from tinyformer.ir.onnx_import.batch import counts_images
from tinyformer.ir.onnx_import.versions import set_quantizers_apart, to_one_operator_set
from tinyformer.ir.onnx_metadata import Metadata, read_metadata

_UNKNOWN_DOMAIN = "unknown"


@dataclass
class OnnxNode:
    """A node with decoded attributes; ``domain`` is empty for standard operators."""

    operator: str
    domain: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


@dataclass
class OnnxGraph:
    """The content of a model: topologically sorted nodes, initializers and the shapes of all tensors."""

    name: str
    input: str
    outputs: list[str]
    nodes: list[OnnxNode]
    constants: dict[str, NDArray[Any]]
    shapes: dict[str, tuple[int, ...]]
    types: dict[str, int] = field(default_factory=dict)
    """ONNX element types, where known."""
    metadata: Metadata = field(default_factory=Metadata)
    sha256: str = ""
    """Of the model's file, or of the model in its canonical bytes."""


def read(source: str | Path | onnx.ModelProto, name: str | None = None) -> OnnxGraph:
    """Load, check and simplify a model. Raises :class:`TinyFormerError` for files that are missing, damaged or
    dynamic."""
    model, label = _load(source)
    metadata, digest = read_metadata(model), _digest(source)
    _check_names(model.graph, label)
    try:
        for output in model.graph.output:  # the checker insists on a shape that inference finds anyway
            output.type.tensor_type.shape.SetInParent()
        _set_unknown_operators_apart(model)
        set_quantizers_apart(model)
        onnx.checker.check_model(model)
        model = to_one_operator_set(onnx.inliner.inline_local_functions(model))
        input_name = _fix_batch(model, label)
        model = fold_constants(model)
        graph = _decode(model.graph, input_name)
    except TinyFormerError:
        raise
    except Exception as error:  # the ONNX library reports damage by many exception types
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TinyFormerError(f"{label} is not a valid ONNX model ({reason}): export it again") from error
    graph.name = name or (Path(source).stem if isinstance(source, str | Path) else model.graph.name) or "model"
    graph.metadata, graph.sha256 = metadata, digest
    return graph


def _digest(source: str | Path | onnx.ModelProto) -> str:
    if isinstance(source, onnx.ModelProto):
        return hashlib.sha256(source.SerializeToString(deterministic=True)).hexdigest()
    return hashlib.sha256(Path(source).read_bytes()).hexdigest()


def _load(source: str | Path | onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    if isinstance(source, onnx.ModelProto):
        model = onnx.ModelProto()
        model.CopyFrom(source)
        return model, "the model"
    path = Path(source)
    if not path.is_file():
        raise TinyFormerError(f"{path} does not exist or is not a file: give the path of an ONNX model")
    try:
        model = onnx.load(path)
    except DecodeError as error:
        raise TinyFormerError(f"{path} is not an ONNX model or is damaged: export it again") from error
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise TinyFormerError(f"{path} cannot be read ({error}): check the file and its external data") from error
    if not model.graph.node:
        raise TinyFormerError(f"{path} is not an ONNX model or holds no operators: export it again")
    return model, str(path)


def _check_names(graph: onnx.GraphProto, label: str) -> None:
    """Refuse names that are no UTF-8: the protobuf library hands them over as bytes."""
    for node in graph.node:
        for name in (node.name, node.op_type, node.domain, *node.input, *node.output):
            if not isinstance(name, str):
                raise TinyFormerError(f"{label} is damaged, the name {name!r} is no text: export it again")


def _set_unknown_operators_apart(model: onnx.ModelProto) -> None:
    """Move operators that ONNX does not define to a domain of their own.

    The checker stops at the first of them; the importer lists them all, with their nodes' names.
    """
    version = next((opset.version for opset in model.opset_import if opset.domain in STANDARD_DOMAINS), 1)
    for node in model.graph.node:
        if node.domain in STANDARD_DOMAINS and not onnx.defs.has(node.op_type, version, ""):
            node.domain = _UNKNOWN_DOMAIN
    if any(node.domain == _UNKNOWN_DOMAIN for node in model.graph.node):
        model.opset_import.append(helper.make_opsetid(_UNKNOWN_DOMAIN, 1))


def _fix_batch(model: onnx.ModelProto, label: str) -> str:
    """Set the batch of the only input to 1: a symbolic first axis, or one that counts images; returns its name."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise TinyFormerError(f"{label} must have exactly one input, not {len(inputs)} ({names})")
    dims = inputs[0].type.tensor_type.shape.dim
    for i, dim in enumerate(dims):
        if i == 0:
            if dim.dim_value <= 0 or counts_images(model.graph, inputs[0].name):
                dim.ClearField("dim_param")
                dim.dim_value = 1
        elif dim.dim_value <= 0:
            raise TinyFormerError(
                f"{label}: dimension {i} of input {inputs[0].name!r} is not fixed: export the model with a fixed image "
                "size"
            )
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return str(inputs[0].name)


def _decode(graph: onnx.GraphProto, input_name: str) -> OnnxGraph:
    nodes = [
        OnnxNode(
            operator=node.op_type,
            domain="" if node.domain in (*STANDARD_DOMAINS, _UNKNOWN_DOMAIN) else node.domain,
            name=node.name or node.output[0],
            inputs=list(node.input),
            outputs=list(node.output),
            attributes={a.name: _attribute(a) for a in node.attribute},
        )
        for node in graph.node
    ]
    types = {value.name: value.type.tensor_type.elem_type for value in [*graph.input, *graph.value_info, *graph.output]}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    outputs = [value.name for value in graph.output]
    return OnnxGraph("", input_name, outputs, nodes, constants, static_shapes(graph), types)


def _attribute(attribute: onnx.AttributeProto) -> Any:
    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return value
