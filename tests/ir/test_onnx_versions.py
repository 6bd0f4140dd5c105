# SPDX-License-Identifier: Apache-2.0
"""Operators whose form or meaning changed between operator sets compute what their own set says."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from tests.ir.qdq import QdqModel, compare
from tinyformer.errors import TinyFormerError
from tinyformer.ir.onnx_import import import_onnx, versions

CHANGED: list[tuple[str, int, tuple[Any, ...], dict[str, Any]]] = [
    ("Softmax", 10, (), {}),
    ("Softmax", 11, (), {"axis": 2}),
    ("Softmax", 12, (), {"axis": -1}),
    ("Softmax", 13, (), {"axis": 1}),
    ("Flatten", 10, (), {"axis": 1}),
    ("Unsqueeze", 12, (), {"axes": [1]}),
    ("ReduceMean", 12, (), {"axes": [2, 3], "keepdims": 0}),
    ("ReduceMean", 17, (), {"axes": [2]}),
    ("ReduceMean", 18, (np.array([1]),), {}),
    ("Pad", 10, (), {"pads": [0, 0, 1, 0, 0, 0, 2, 1], "value": 0.25}),
    ("Pad", 17, (np.array([0, 0, 1, 0, 0, 0, 2, 1]),), {}),
    ("Pad", 18, (np.array([1, 2]), np.float32(0.25), np.array([3])), {}),
    ("Slice", 10, (np.array([1]), np.array([3]), np.array([1])), {}),
    ("Clip", 10, (), {"min": -0.4, "max": 0.3}),
    ("Clip", 11, (np.float32(-0.4), np.float32(0.3)), {}),
    ("Dropout", 11, (), {"ratio": 0.3}),
    ("BatchNormalization", 10, tuple(np.float32([0.5, 1, 2, 1.5]) for _ in range(4)), {"momentum": 0.8}),
    ("AveragePool", 10, (), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    ("AveragePool", 22, (), {"kernel_shape": [2, 2], "strides": [2, 2]}),
    ("MaxPool", 11, (), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ("DepthToSpace", 10, (), {"blocksize": 2}),
    ("Gelu", 22, (), {}),
]


@pytest.mark.parametrize(("operator", "opset", "operands", "attributes"), CHANGED)
def test_an_operator_means_what_its_operator_set_says(
    operator: str, opset: int, operands: tuple[Any, ...], attributes: dict[str, Any]
) -> None:
    m = QdqModel((1, 4, 6, 5) if operator != "DepthToSpace" else (1, 8, 4, 4), opset=opset)
    constants = [m.constant(np.asarray(operand)) for operand in operands]
    _, error = compare(m, m.operator(operator, [m.input, *constants], **attributes))
    assert error <= 1.001


def test_squeeze_and_split_with_attributes() -> None:
    m = QdqModel((1, 6, 1, 5), opset=12)
    a, b = m.node("Split", [m.node("Squeeze", [m.input], axes=[2])], outputs=2, axis=1, split=[2, 4])
    _, error = compare(m, m.operator("Concat", [m.operator("Sigmoid", [a]), m.quantized(b)], axis=1))
    assert error <= 1.001


def test_quantizers_of_old_operator_sets_may_have_an_axis() -> None:
    m = QdqModel((1, 4, 6, 5), opset=13)
    model = m.model(m.operator("Conv", [m.input, m.weight((3, 4, 1, 1), 0)]))  # the weights' scales have one
    model.opset_import[0].version = 11
    assert any(node.op_type == "DequantizeLinear" and node.attribute for node in model.graph.node)
    assert [type(op).__name__ for op in import_onnx(model).ops] == ["Conv2D"]


def test_a_model_that_cannot_be_converted_is_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
        raise RuntimeError("No Adapter for Softmax")

    monkeypatch.setattr(versions.version_converter, "convert_version", fail)
    m = QdqModel((1, 4), opset=11)
    with pytest.raises(TinyFormerError, match=r"operator set 11 cannot be converted.*Softmax.*13 or newer"):
        import_onnx(m.model(m.operator("Softmax", [m.input], axis=1)))
