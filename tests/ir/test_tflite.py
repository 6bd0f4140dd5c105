# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Lite import against LiteRT's reference kernels: at most one LSB apart per operator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")

from tests.damaged_files import damaged
from tests.ir.tflite_models import RELU, RELU6, RELU_N1_TO_1, SAME, VALID, TfliteModel, compare, conv, small_tflite
from tinyformer.errors import TinyFormerError
from tinyformer.ir import graph as ir
from tinyformer.ir.load import load_model
from tinyformer.ir.tflite_import import import_tflite


def kinds(graph: ir.Graph) -> list[str]:
    """Operator types in order, without Reshapes."""
    return [type(op).__name__ for op in graph.ops if not isinstance(op, ir.Reshape)]


@pytest.mark.parametrize("padding", [SAME, VALID])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("activation", [0, RELU, RELU6, RELU_N1_TO_1])
def test_convolution(padding: int, stride: int, activation: int) -> None:
    m = TfliteModel((1, 9, 8, 3))
    y = conv(m, m.input, 6, 3, stride, padding, fusedActivationFunction=activation)
    graph, error = compare(m, y)
    assert kinds(graph) == ["Conv2D"]
    assert error <= 1


@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise(multiplier: int) -> None:
    m = TfliteModel((1, 9, 8, 4))
    weights, bias = m.weights((1, 3, 3, 4 * multiplier), 3, m.input)
    y = m.operator(
        "DEPTHWISE_CONV_2D", [m.input, weights, bias], (1, 5, 4, 4 * multiplier), 0.01,
        options="DepthwiseConv2DOptions", padding=SAME, strideH=2, strideW=2, depthMultiplier=multiplier,
        fusedActivationFunction=RELU,
    )  # fmt: skip
    graph, error = compare(m, y)
    assert kinds(graph) == ["DepthwiseConv2D" if multiplier == 1 else "Conv2D"]
    assert error <= 1


def test_fully_connected_flattens() -> None:
    m = TfliteModel((1, 3, 4, 5))
    weights, bias = m.weights((7, 60), 0, m.input)
    y = m.operator("FULLY_CONNECTED", [m.input, weights, bias], (1, 7), 0.05, options="FullyConnectedOptions")
    graph, error = compare(m, y)
    assert kinds(graph) == ["Linear"]
    assert error <= 1


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("activation", [0, RELU])
def test_two_tensors(kind: str, activation: int) -> None:
    m = TfliteModel((1, 6, 5, 4))
    options = f"{kind.capitalize()}Options"
    y = m.operator(
        kind, [m.input, m.input] if kind == "MUL" else [m.input, conv(m, m.input, 4)], (1, 6, 5, 4), 0.03, -20,
        options=options, fusedActivationFunction=activation,
    )  # fmt: skip
    _, error = compare(m, y)
    assert error <= (2 if kind != "MUL" else 1)


POOLING = [("AVERAGE_POOL_2D", SAME), ("AVERAGE_POOL_2D", VALID), ("MAX_POOL_2D", SAME), ("MAX_POOL_2D", VALID)]


@pytest.mark.parametrize(("kind", "padding"), POOLING)
def test_pooling(kind: str, padding: int) -> None:
    m = TfliteModel((1, 9, 7, 4))
    shape = (5, 4) if padding == SAME else (4, 3)
    y = m.operator(
        kind, [m.input], (1, *shape, 4), 0.02, -3, options="Pool2DOptions", padding=padding, filterHeight=3,
        filterWidth=3, strideH=2, strideW=2,
    )  # fmt: skip
    graph, error = compare(m, y)
    assert kinds(graph) == ["AveragePool2D" if kind.startswith("AV") else "MaxPool2D"]
    assert error <= 1


def test_mean() -> None:
    m = TfliteModel((1, 9, 7, 4))
    y = m.operator("MEAN", [m.input, m.constant([1, 2])], (1, 4), 0.002, options="ReducerOptions", keepDims=False)
    graph, error = compare(m, y)
    assert kinds(graph) == ["AveragePool2D"]
    assert error <= 1


def test_softmax() -> None:
    m = TfliteModel((1, 30))
    y = m.operator("SOFTMAX", [m.input], (1, 30), 1 / 256, -128, options="SoftmaxOptions", beta=1.0)
    _, error = compare(m, y)
    assert error <= 1


FUNCTIONS: list[tuple[str, float, int, dict[str, Any]]] = [
    ("LOGISTIC", 1 / 256, -128, {}),
    ("TANH", 1 / 128, 0, {}),
    ("HARD_SWISH", 0.02, -110, {}),
    ("LEAKY_RELU", 0.02, -100, {"options": "LeakyReluOptions", "alpha": 0.1}),
    ("RELU", 0.015, -128, {}),
    ("RELU6", 0.015, -128, {}),
    ("GELU", 0.02, -110, {"options": "GeluOptions", "approximate": True}),
]


@pytest.mark.parametrize(("kind", "scale", "zero_point", "fields"), FUNCTIONS, ids=[f[0] for f in FUNCTIONS])
def test_functions(kind: str, scale: float, zero_point: int, fields: dict[str, Any]) -> None:
    m = TfliteModel((1, 9, 7, 4))
    graph, error = compare(m, m.operator(kind, [m.input], (1, 9, 7, 4), scale, zero_point, **fields))
    assert kinds(graph) == ["Lut"]
    assert error <= 1


def test_prelu_per_channel() -> None:
    m = TfliteModel((1, 9, 7, 4))
    integers = np.array([[[-90, 10, 127, 40]]], np.int8)
    slopes = m.tensor((1, 1, 4), np.int8, 0.01, 7, value=integers)
    graph, error = compare(m, m.operator("PRELU", [m.input, slopes], (1, 9, 7, 4), 0.02, -10))
    assert kinds(graph) == ["PRelu"]
    assert error <= 1


def test_pieces() -> None:
    m = TfliteModel((1, 6, 5, 4))
    p = m.operator("PAD", [m.input, m.constant([[0, 0], [1, 2], [0, 1], [0, 0]])], (1, 9, 6, 4), 0.02, -3)
    a = m.operator("SLICE", [p, m.constant([0, 1, 2, 0]), m.constant([1, -1, 3, 4])], (1, 8, 3, 4), 0.02, -3)
    b = m.operator(
        "STRIDED_SLICE", [p, m.constant([0, 1, 3, 0]), m.constant([1, 9, 6, 4]), m.constant([1, 1, 1, 1])],
        (1, 8, 3, 4), 0.02, -3, options="StridedSliceOptions", beginMask=1, endMask=1,
    )  # fmt: skip
    y = m.operator("CONCATENATION", [a, b], (1, 8, 3, 8), 0.02, -3, options="ConcatenationOptions", axis=3)
    y = m.operator("TRANSPOSE", [y, m.constant([0, 3, 1, 2])], (1, 8, 8, 3), 0.02, -3)
    y = m.operator("RESHAPE", [y, m.constant([1, 64, 3])], (1, 64, 3), 0.02, -3, options="ReshapeOptions")
    _, error = compare(m, y)
    assert error == 0


def test_residual_network() -> None:
    """Several layers in the form in which the converter leaves them."""
    m = TfliteModel((1, 8, 8, 3))
    a = conv(m, m.input, 8, fusedActivationFunction=RELU6)
    b = conv(m, conv(m, a, 8, fusedActivationFunction=RELU6), 8)
    y = m.operator("ADD", [a, b], (1, 8, 8, 8), 0.03, -10, options="AddOptions")
    y = m.operator("MEAN", [y, m.constant([1, 2])], (1, 8), 0.01, -10, options="ReducerOptions", keepDims=False)
    weights, bias = m.weights((4, 8), 0, y)
    y = m.operator("FULLY_CONNECTED", [y, weights, bias], (1, 4), 0.01, options="FullyConnectedOptions")
    graph, error = compare(m, y)
    assert kinds(graph) == ["Conv2D", "Conv2D", "Conv2D", "Add", "AveragePool2D", "Linear"]
    assert error <= 3


def test_attention_products() -> None:
    m = TfliteModel((1, 2, 6, 8))
    y = m.operator(
        "BATCH_MATMUL", [m.input, m.input], (1, 2, 6, 6), 0.1, options="BatchMatMulOptions", adjX=False, adjY=True
    )
    graph, error = compare(m, y)
    assert kinds(graph) == ["BatchMatMul"]
    assert error <= 1


def two_unknown() -> bytes:
    m = TfliteModel((1, 8, 8, 3))
    y = m.operator("LOCAL_RESPONSE_NORMALIZATION", [m.input], (1, 8, 8, 3))
    return m.content(m.operator("L2_NORMALIZATION", [y], (1, 8, 8, 3)))


def float_model() -> bytes:
    m = TfliteModel((1, 8))
    m.tensors[0].quantization, m.tensors[0].type = None, 0
    y = m.tensor((1, 8), np.float32)
    m.raw_operator("TANH", [m.input], [y])
    return m.content(y)


def sixteen_bits() -> bytes:
    m = TfliteModel((1, 8))
    y = m.tensor((1, 8), np.int16, 0.01)
    m.raw_operator("TANH", [m.input], [y])
    return m.content(y)


def strange_activation() -> bytes:
    m = TfliteModel((1, 8, 8, 3))
    return m.content(conv(m, m.input, 4, fusedActivationFunction=4))


ERRORS: list[tuple[Callable[[], bytes], list[str]]] = [
    (two_unknown, ["2 operators", "LOCAL_RESPONSE_NORMALIZATION", "L2_NORMALIZATION", "1x8x8x3"]),
    (float_model, ["TANH", "float32", "fully quantized"]),
    (sixteen_bits, ["TANH", "16 bits", "8-bit activations"]),
    (strange_activation, ["CONV_2D with TANH"]),
    (lambda: b"", ["not a TensorFlow Lite model"]),
    (lambda: b"TFL3" * 10, ["not a TensorFlow Lite model"]),
]


@pytest.mark.parametrize(("build", "parts"), ERRORS)
def test_models_that_cannot_be_compiled(build: Callable[[], bytes], parts: list[str]) -> None:
    with pytest.raises(TinyFormerError) as caught:
        import_tflite(build())
    for part in parts:
        assert part in str(caught.value)


def test_damaged_files_never_crash() -> None:
    content = small_tflite()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        try:
            import_tflite(damaged(content, rng))
        except TinyFormerError as error:
            refused += 1
            assert str(error)
    assert refused > 50


def test_files_go_by_their_ending(tmp_path: Path) -> None:
    m = TfliteModel((1, 8, 8, 3))
    path = tmp_path / "small.tflite"
    path.write_bytes(m.content(conv(m, m.input, 4)))
    assert load_model(path).name == "small"
    other = tmp_path / "model.pt"
    other.touch()
    with pytest.raises(TinyFormerError, match="no known format"):
        load_model(other)
