# SPDX-License-Identifier: Apache-2.0
"""A tensor that is quantized in several ways, or read real besides, reaches each reader as that reader wants it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.ir.qdq import QdqModel
from tinyformer.ir import graph as ir
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.reference import execute_all

NARROW, WIDE = (0.004, 10), (0.05, -3)


def errors(m: QdqModel, *outputs: str) -> tuple[ir.Graph, list[float]]:
    """The imported graph, and the largest deviation of each output from onnxruntime in LSB."""
    graph = import_onnx(m.model(*outputs))
    first = graph.tensors[graph.input]
    values = execute_all(graph, m.integers.transpose(0, 2, 3, 1) if m.integers.ndim == 4 else m.integers)
    real = first.scale * (m.integers.astype(np.float32) - first.zero_point)
    found = []
    for name, tensor in zip(outputs, (graph.tensors[name] for name in graph.outputs), strict=True):
        theirs: NDArray[np.float32] = m.run(name, real.astype(np.float32))
        theirs = theirs.transpose(0, 1, 3, 4, 2) if theirs.ndim == 5 else theirs
        mine = tensor.scale * (values[tensor.name].astype(np.float64) - tensor.zero_point)
        found.append(float(np.abs(mine.reshape(theirs.shape) - theirs).max() / tensor.scale))
    return graph, found


def twice(m: QdqModel, x: str, *, wide_first: bool) -> list[str]:
    """``x`` quantized narrow and wide, each form read by a convolution."""
    forms = sorted((NARROW, WIDE), reverse=wide_first)
    made = [m.quantized(x, scale=scale, zero_point=zero_point) for scale, zero_point in forms]
    return [m.operator("Conv", [form, m.weight((3, 4, 1, 1), 0)]) for form in made]


def convolution(m: QdqModel) -> str:
    return m.node("Conv", [m.input, m.weight((4, 4, 1, 1), 0)])


def rectified(m: QdqModel) -> str:
    return m.node("Relu", [convolution(m)])


def gelu(m: QdqModel) -> str:
    return m.node("Gelu", [m.input])


def total(m: QdqModel) -> str:
    return m.node("Add", [m.quantized(convolution(m)), m.input])


@pytest.mark.parametrize("wide_first", [False, True])
@pytest.mark.parametrize("make", [convolution, rectified, gelu, total])
def test_each_reader_has_its_own_quantization(make: Callable[[QdqModel], str], wide_first: bool) -> None:
    m = QdqModel((1, 4, 6, 5))
    _, found = errors(m, *twice(m, make(m), wide_first=wide_first))
    assert max(found) <= (1.001 if make is not total else 3.001)  # behind two convolutions of whole networks


def test_an_input_that_is_quantized_twice_enters_in_the_wider_form() -> None:
    m = QdqModel((1, 4, 6, 5), quantize_input=False)
    graph, found = errors(m, *twice(m, "x", wide_first=False))
    assert graph.tensors[graph.input].scale == pytest.approx(WIDE[0])
    assert max(found) <= 1.001


def test_a_rectifier_reads_real_values_where_the_source_has_them() -> None:
    m = QdqModel((1, 4, 6, 5))
    x = convolution(m)
    outputs = [m.quantized(x, scale=0.1, zero_point=0), m.quantized(m.node("Relu", [x]), scale=0.004, zero_point=-128)]
    graph, found = errors(m, *outputs)
    assert [type(op).__name__ for op in graph.ops] == ["Conv2D", "Conv2D"]
    assert max(found) <= 1.001


def test_equal_quantizations_are_one_tensor() -> None:
    m = QdqModel((1, 4, 6, 5))
    x = convolution(m)
    a, b = (m.quantized(x, scale=0.03, zero_point=4) for _ in range(2))
    graph, found = errors(m, m.operator("Add", [a, b]))
    assert [type(op).__name__ for op in graph.ops] == ["Conv2D", "Lut"]  # a function of one tensor
    assert max(found) <= 2.001


@pytest.mark.parametrize("doubled", ["input", "result", "view"])
def test_every_output_is_a_tensor_of_its_own(doubled: str) -> None:
    m = QdqModel((1, 4, 6, 5))
    y = m.quantized(convolution(m))
    if doubled == "input":
        outputs = [m.input, y, m.node("Identity", [m.input])]
    elif doubled == "result":
        outputs = [y, m.node("Identity", [y]), m.node("Identity", [y])]
    else:
        outputs = [y, m.node("Reshape", [y, m.constant(np.array([0, 4, 30]))])]
    graph, found = errors(m, *outputs)
    assert len(set(graph.outputs)) == len(outputs)
    assert graph.input not in graph.outputs
    assert max(found) <= 1.001


@pytest.mark.parametrize("operand", ["channels", "scalar", "wide result"])
@pytest.mark.parametrize("operator", ["Add", "Mul"])
def test_a_constant_behind_a_quantizer_keeps_its_saturation(operator: str, operand: str) -> None:
    m = QdqModel((1, 4, 6, 5))
    y = m.quantized(convolution(m), scale=0.003, zero_point=-20)  # clips most values
    constant = m.constant(np.float32(0.7)) if operand == "scalar" else m.random((4, 1, 1))
    result = m.node(operator, [y, constant])
    y = m.quantized(result, scale=0.0008, zero_point=3) if operand == "wide result" else m.quantized(result)
    _, found = errors(m, y)
    assert max(found) <= 1.001


def test_the_scale_of_a_product_behind_a_quantizer_keeps_its_saturation() -> None:
    m = QdqModel((1, 6, 8))
    other = m.operator("Transpose", [m.operator("Sigmoid", [m.input])], perm=[0, 2, 1])
    scores = m.quantized(m.node("MatMul", [m.input, other]), scale=0.01, zero_point=0)
    _, found = errors(m, m.operator("Mul", [scores, m.constant(np.float32(0.35))]))
    assert max(found) <= 2.001  # the rounding in between is dropped
