# SPDX-License-Identifier: Apache-2.0
"""What users see when a model cannot be compiled: sentences that name the thing and the remedy, never a crash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.damaged_files import damaged
from tests.ir.qdq import QdqModel, small_model
from tinyformer.errors import TinyFormerError
from tinyformer.ir.onnx_import import import_onnx


def unknown_operators() -> onnx.ModelProto:
    m = QdqModel((1, 3, 8, 8))
    y = m.operator("Conv", [m.input, m.weight((4, 3, 3, 3))])
    y = m.operator("InstanceNormalization", [y, m.random((4,)), m.random((4,))])
    return m.model(m.operator("CumSum", [y, m.constant(np.array(1))]))


def invented_operators() -> onnx.ModelProto:
    m = QdqModel((1, 3, 8, 8))
    y = m.node("Wavelet", [m.node("Hartley", [m.input])])
    return m.model(m.quantized(m.node("Relu", [y]), scale=0.1, zero_point=0))


def contradicting_kernel() -> onnx.ModelProto:
    m = QdqModel((1, 3, 8, 8))
    y = m.node("Conv", [m.input, m.weight((4, 3, 3, 3))], kernel_shape=[5, 5])
    return m.model(m.quantized(y, scale=0.1, zero_point=0))


def float_model() -> onnx.ModelProto:
    m = QdqModel((1, 3, 8, 8), quantize_input=False)
    return m.model(m.node("Relu", ["x"]))


def integer_operators() -> onnx.ModelProto:
    m = QdqModel((1, 3, 8, 8), quantize_input=False)
    q, scale, zero_point = m.node("DynamicQuantizeLinear", ["x"], outputs=3)
    product = m.node("ConvInteger", [q, m.constant(np.ones((2, 3, 1, 1), np.uint8)), zero_point])
    return m.model(m.node("Mul", [m.node("Cast", [product], to=1), scale]))


def float_weights() -> onnx.ModelProto:
    m = QdqModel((1, 3, 8, 8))
    return m.model(m.operator("Conv", [m.input, m.random((4, 3, 3, 3))]))


def sixteen_bits() -> onnx.ModelProto:
    m = QdqModel((1, 12), opset=21)
    parameters = [m.constant(np.array(0.01, np.float32)), m.constant(np.array(3, np.int16))]
    q = m.node("QuantizeLinear", [m.node("Tanh", [m.input]), *parameters])
    return m.model(m.node("DequantizeLinear", [q, *parameters]))


def unquantized_input() -> onnx.ModelProto:
    m = QdqModel((1, 3, 8, 8), quantize_input=False)
    return m.model(m.operator("Conv", ["x", m.weight((4, 3, 3, 3))]))


def overflow() -> onnx.ModelProto:
    m = QdqModel((1, 12))
    weight = m.node(
        "DequantizeLinear",
        [m.constant(np.ones((12, 4), np.int8)), m.constant(np.float32(1e-9)), m.constant(np.zeros((), np.int8))],
    )
    y = m.node("Gemm", [m.input, weight, m.constant(np.full(4, 50, np.float32))])
    return m.model(m.quantized(y, scale=1e-6, zero_point=0))


def dynamic_size() -> onnx.ModelProto:
    m = QdqModel((1, 3, 8, 8))
    model = m.model(m.operator("Relu", [m.input]))
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    return model


def two_inputs() -> onnx.ModelProto:
    m = QdqModel((1, 3, 8, 8))
    model = m.model(m.operator("Relu", [m.input]))
    extra = model.graph.input.add()
    extra.CopyFrom(model.graph.input[0])
    extra.name = "second"
    return model


def long_layer_norm() -> onnx.ModelProto:
    m = QdqModel((1, 2, 1500))
    return m.model(m.operator("LayerNormalization", [m.input, m.random((1500,)), m.random((1500,))]))


def scale_at_run_time() -> onnx.ModelProto:
    m = QdqModel((1, 12))
    scale = m.node("ReduceMax", [m.node("Abs", [m.input])], keepdims=0)
    q = m.node("QuantizeLinear", [m.node("Tanh", [m.input]), scale, m.constant(np.array(0, np.int8))])
    return m.model(m.node("DequantizeLinear", [q, scale, m.constant(np.array(0, np.int8))]))


def huge() -> onnx.ModelProto:
    m = QdqModel((1, 2, 4, 4))
    model = m.model(m.operator("Relu", [m.input]))
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 10**8
    return model


def cubic_upsampling() -> onnx.ModelProto:
    m = QdqModel((1, 3, 8, 8))
    scales = m.constant(np.array([1, 1, 2, 2], np.float32))
    return m.model(m.operator("Resize", [m.input, "", scales], mode="cubic"))


CASES: list[tuple[Callable[[], onnx.ModelProto], list[str]]] = [
    (unknown_operators, ["InstanceNormalization", "CumSum", "1x4x6x6", "2 operators", "not supported"]),
    (invented_operators, ["2 operators", "Hartley 'hartley", "Wavelet", "1x3x8x8", "unknown shape"]),
    (contradicting_kernel, ["Conv 'conv", "inconsistent"]),
    (float_model, ["not quantized", "quantize_static"]),
    (integer_operators, ["ConvInteger", "QDQ"]),
    (float_weights, ["conv", "weights", "not quantized"]),
    (sixteen_bits, ["int16", "INT8"]),
    (unquantized_input, ["input 'x'", "not quantized"]),
    (overflow, ["Linear 'gemm", "overflow"]),
    (dynamic_size, ["dimension 2", "'x'", "fixed image size"]),
    (two_inputs, ["exactly one input", "second"]),
    (long_layer_norm, ["LayerNorm", "1024"]),
    (scale_at_run_time, ["run time", "statically"]),
    (huge, ["'relu", "more than"]),
    (cubic_upsampling, ["Resize", "'cubic' is not supported", "'linear'"]),
]


@pytest.mark.parametrize(("build", "parts"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_models_that_cannot_be_compiled(build: Callable[[], onnx.ModelProto], parts: list[str]) -> None:
    with pytest.raises(TinyFormerError) as caught:
        import_onnx(build())
    for part in parts:
        assert part in str(caught.value)


def test_files(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.onnx"
    garbage.write_bytes(b"\x08\x07 this is no protobuf \xff\xff\xff")
    empty = tmp_path / "empty.onnx"
    empty.write_bytes(b"")
    for path, part in [
        (garbage, "damaged"),
        (empty, "no operators"),
        (tmp_path / "none.onnx", "does not exist"),
        (tmp_path, "not a file"),
    ]:
        with pytest.raises(TinyFormerError, match=part):
            import_onnx(path)


@pytest.mark.parametrize("place", ["node", "tensor"])
def test_names_that_are_no_text(place: str, tmp_path: Path) -> None:
    model = small_model()
    node = next(node for node in model.graph.node if node.op_type == "Conv")
    if place == "node":
        node.name = "first_convolution"
    else:
        node.output[0] = "first_convolution"
        next(n for n in model.graph.node if n.op_type == "Relu").input[0] = "first_convolution"
    path = tmp_path / "damaged.onnx"
    path.write_bytes(model.SerializeToString().replace(b"first_convolution", b"first_convolutio\xff"))
    with pytest.raises(TinyFormerError, match=r"damaged\.onnx.*first_convolutio"):
        import_onnx(path)


def test_damaged_files_never_crash(tmp_path: Path) -> None:
    """Truncations and flipped bytes: a graph or a TinyFormerError, nothing else."""
    content = small_model().SerializeToString()
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.onnx"
    refused = 0
    for _ in range(150):
        path.write_bytes(damaged(content, rng))
        try:
            import_onnx(path)
        except TinyFormerError as error:
            refused += 1
            assert str(error)
    assert refused > 50


MUTATIONS: list[Callable[[Any, np.random.Generator], None]] = [
    lambda node, rng: node.input.pop() if len(node.input) > 1 else None,
    lambda node, rng: node.input.append(node.input[0]),
    lambda node, rng: setattr(
        node, "op_type", str(rng.choice(["Add", "MatMul", "Reshape", "Concat", "Softmax", "Pad"]))
    ),
    lambda node, rng: node.attribute.pop() if node.attribute else None,
    lambda node, rng: node.attribute.append(helper.make_attribute("axis", int(rng.integers(-5, 5)))),
    lambda node, rng: node.attribute.append(helper.make_attribute("pads", [int(v) for v in rng.integers(-2, 3, 4)])),
    lambda node, rng: node.attribute.append(helper.make_attribute("perm", [2, 0])),
]


def test_inconsistent_models_never_crash() -> None:
    """Wrong operators, inputs and attributes in a well-formed file."""
    rng = np.random.default_rng(1)
    original = small_model()
    refused = 0
    for i in range(150):
        model = onnx.ModelProto()
        model.CopyFrom(original)
        node = model.graph.node[int(rng.integers(len(model.graph.node)))]
        MUTATIONS[i % len(MUTATIONS)](node, rng)
        try:
            import_onnx(model)
        except TinyFormerError as error:
            refused += 1
            assert str(error)
    assert refused > 50
