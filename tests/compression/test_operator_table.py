# SPDX-License-Identifier: Apache-2.0
"""Every operator of the table is quantized, compiled and trained as the table says, or refused for the reason there."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tinyformer.compression.float_graph import prepare
from tinyformer.compression.onnx_runs import logits
from tinyformer.compression.quantize import quantize
from tinyformer.compression.torch_graph import TorchGraph
from tinyformer.config.quantization import QuantizationConfig
from tinyformer.errors import TinyFormerError
from tinyformer.ir.lowering.function import Case, Function
from tinyformer.ir.lowering.table import OPERATORS
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.reference import execute

OPSETS = {"Swish": 24, "Clip": 20}
RUNTIME_LACKS = {"Swish"}
"""Operators that onnxruntime does not have yet."""

QUANTIZED = [name for name, function in OPERATORS.items() if not function.unquantized]
REFUSED = [
    name for name, function in OPERATORS.items() if function.unquantized and "already" not in function.unquantized
]


def model(name: str, case: Case, domain: str = "") -> onnx.ModelProto:
    """The operator alone, behind an input ``x`` whose batch is symbolic."""
    rng = np.random.default_rng(0)
    inputs, constants = ["x"], []
    for i, operand in enumerate(case.operands):
        if isinstance(operand, str):
            inputs.append(operand)
            continue
        values = operand
        if isinstance(operand, tuple):
            values = np.asarray(rng.normal(size=operand), np.float32)
            values = np.abs(values) + np.float32(0.2) if case.positive else values
        inputs.append(f"c{i}")
        constants.append(numpy_helper.from_array(np.asarray(values), f"c{i}"))
    outputs = [f"y{i}" for i in range(case.outputs)]
    known = None if onnx.defs.has(name) else ["N", *case.shape[1:]]
    node = helper.make_node(name, inputs, outputs, name="node", domain=domain, **case.attributes)
    graph = helper.make_graph(
        [node],
        "case",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *case.shape[1:]])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, known) for output in outputs],
        constants,
    )
    opsets = [helper.make_opsetid("", OPSETS.get(name, 20)), helper.make_opsetid("com.microsoft", 1)]
    made = helper.make_model(graph, opset_imports=opsets if domain else opsets[:1], ir_version=10)
    return onnx.shape_inference.infer_shapes(made)


def images(case: Case) -> NDArray[np.float32]:
    values = np.random.default_rng(1).integers(20 if case.positive else -128, 128, (16, *case.shape[1:]))
    return (values / 128).astype(np.float32)


def case_of(function: Function) -> Case:
    assert function.case is not None
    return function.case


@pytest.mark.parametrize("name", [name for name in QUANTIZED if name not in RUNTIME_LACKS])
def test_it_is_quantized_and_compiled(name: str) -> None:
    case = case_of(OPERATORS[name])
    quantized = quantize(model(name, case), images(case), QuantizationConfig())
    expected = logits(quantized, images(case))
    graph = import_onnx(quantized)
    integers = np.rint(images(case) * 128).astype(np.int8)
    result = graph.tensors[graph.outputs[0]]
    if len(graph.outputs) > 1:
        return  # the first is compared where there is one
    y = execute(graph, integers.transpose(graph.axes[graph.input]))
    mine = result.scale * (y.astype(np.float64) - result.zero_point)
    axes = graph.axes[graph.outputs[0]]
    mine = mine.transpose(np.argsort(axes)) if mine.ndim == len(axes) else mine
    assert np.abs(mine - expected.reshape(mine.shape)).max() <= 1.001 * result.scale


@pytest.mark.parametrize("name", [name for name in QUANTIZED if name not in RUNTIME_LACKS])
def test_it_is_trained_as_it_computes_or_says_why_not(name: str) -> None:
    function = OPERATORS[name]
    case = case_of(function)
    float_model = model(name, case)
    if function.untrained:
        with pytest.raises(TinyFormerError, match=function.untrained):
            TorchGraph(prepare(float_model))
        return
    trained = TorchGraph(prepare(float_model))
    with torch.no_grad():
        y = trained(torch.from_numpy(images(case))).numpy()
    np.testing.assert_allclose(y, logits(float_model, images(case)), atol=1e-4)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_quantized_is_refused_for_the_reason_in_the_table(name: str) -> None:
    function = OPERATORS[name]
    domain = "" if onnx.defs.has(name) else "com.microsoft"
    attributes = {"to": TensorProto.FLOAT} if name == "Cast" else {}
    operands = ((1,),) if name == "CastLike" else ()
    if function.case is not None:
        attributes, operands = function.case.attributes, function.case.operands
    with pytest.raises(TinyFormerError, match=function.unquantized):
        quantize(model(name, Case(operands, attributes), domain), images(Case()), QuantizationConfig())


def test_an_operator_that_leaves_a_question_open_is_refused() -> None:
    with pytest.raises(ValueError, match="either how it is quantized or why not"):
        Function("New", "Lut")
