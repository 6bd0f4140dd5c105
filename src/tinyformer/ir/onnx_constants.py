# SPDX-License-Identifier: Apache-2.0
"""Constant expressions and static shapes of ONNX models, for the importer and the quantizer alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

STANDARD_DOMAINS = ("", "ai.onnx")
_FOLDING_ROUNDS = 8
_LARGEST_FOLDED = 2**24


def static_shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    """The shapes of all tensors whose dimensions are known."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            shapes[value.name] = tuple(dim.dim_value for dim in kind.shape.dim)
    return shapes


def fold_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` with all shapes inferred and constant expressions evaluated, until nothing changes.

    Shapes count as constants where they are known. DequantizeLinear stays: it carries the scale.
    """
    for _ in range(_FOLDING_ROUNDS):
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        if not _fold_once(model):
            break
        del model.graph.value_info[:]
    return model


def _fold_once(model: onnx.ModelProto) -> bool:
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    shapes = static_shapes(graph)
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        values = _evaluate(node, constants, shapes, model)
        if values is None:
            kept.append(node)
            continue
        for output, value in zip(node.output, values, strict=True):
            constants[output] = value
            graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), output))
    changed = len(kept) < len(graph.node)
    del graph.node[:]
    graph.node.extend(kept)
    return changed


def _evaluate(
    node: onnx.NodeProto,
    constants: dict[str, NDArray[Any]],
    shapes: dict[str, tuple[int, ...]],
    model: onnx.ModelProto,
) -> list[NDArray[Any]] | None:
    """The outputs of a node that depends on constants only, else None."""
    if node.op_type == "Shape" and node.input[0] in shapes:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        return [np.array(shapes[node.input[0]][attributes.get("start", 0) : attributes.get("end")], np.int64)]
    if node.op_type == "DequantizeLinear" or node.domain not in STANDARD_DOMAINS:
        return None
    if any(name and name not in constants for name in node.input) or any(a.HasField("g") for a in node.attribute):
        return None
    if node.op_type.startswith("Random") or sum(constants[name].size for name in node.input if name) > _LARGEST_FOLDED:
        return None
    arrays = {name: constants[name] for name in node.input if name}
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in arrays.items()
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.output]
    single = helper.make_graph([node], "constant", inputs, outputs)
    evaluator = ReferenceEvaluator(
        helper.make_model(single, opset_imports=model.opset_import, ir_version=model.ir_version)
    )
    return [np.asarray(value) for value in evaluator.run(None, arrays)]
