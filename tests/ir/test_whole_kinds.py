# SPDX-License-Identifier: Apache-2.0
"""Kinds of models that once compiled to wrong code or were refused: each against the runtime of its format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.ir.qdq import QdqModel, compare
from tests.ir.tflite_models import RELU, SAME, VALID, TfliteModel, conv
from tests.ir.tflite_models import compare as compare_tflite
from tinyformer.errors import TinyFormerError
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.tflite_import import import_tflite

ONE_LSB = 1.001
FLOAT_OUTPUT = 1.001
"""LSB of an output that the model leaves in float: the rounding alone takes half."""


def image(**options: Any) -> QdqModel:
    return QdqModel((1, 4, 7, 6), **options)


# Elements in another order, repeated or left out


def gathered() -> tuple[QdqModel, str]:
    m = image()
    return m, m.operator("Gather", [m.input, m.constant(np.array([2, 0, 3, 3]))], axis=1)


def gathered_rows() -> tuple[QdqModel, str]:
    m = image()
    return m, m.operator("Gather", [m.input, m.constant(np.array([[5, 1], [0, -1]]))], axis=2)


def strided() -> tuple[QdqModel, str]:
    m = image()
    bounds = [[1, -1], [7, -9], [2, 3], [2, -2]]
    return m, m.operator("Slice", [m.input, *(m.constant(np.array(values)) for values in bounds)])


def tiled() -> tuple[QdqModel, str]:
    m = image()
    return m, m.operator("Tile", [m.input, m.constant(np.array([1, 2, 1, 3]))])


def expanded() -> tuple[QdqModel, str]:
    m = QdqModel((1, 4, 1, 6))
    return m, m.operator("Expand", [m.input, m.constant(np.array([1, 1, 5, 1]))])


def padded(mode: str) -> Callable[[], tuple[QdqModel, str]]:
    def build() -> tuple[QdqModel, str]:
        m = image()
        return m, m.operator("Pad", [m.input, m.constant(np.array([0, 0, 2, 1, 0, 0, 1, 3]))], mode=mode)

    return build


def cut_by_padding() -> tuple[QdqModel, str]:
    m = image()
    return m, m.operator("Pad", [m.input, m.constant(np.array([0, -1, 2, -1, 0, 0, -1, 3]))])


def odd_reshapes() -> tuple[QdqModel, str]:
    """A reshape across a gather and a transposition."""
    m = image()
    y = m.node("Transpose", [m.node("Gather", [m.input, m.constant(np.array([3, 1]))], axis=1)], perm=[0, 2, 3, 1])
    y = m.node("Transpose", [m.node("Reshape", [y, m.constant(np.array([1, 6, 14]))])], perm=[0, 2, 1])
    return m, m.operator("Reshape", [y, m.constant(np.array([1, 84]))])


# Images of another size

COORDINATES = ["asymmetric", "align_corners", "half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"]
ROUNDINGS = ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]


def resized(mode: str, coordinates: str, rounding: str, sizes: list[int]) -> Callable[[], tuple[QdqModel, str]]:
    def build() -> tuple[QdqModel, str]:
        m = image()
        return m, m.operator(
            "Resize", [m.input, "", "", m.constant(np.array([1, 4, *sizes]))], mode=mode, nearest_mode=rounding,
            coordinate_transformation_mode=coordinates,
        )  # fmt: skip

    return build


def upsampled() -> tuple[QdqModel, str]:
    m = image()
    return m, m.operator("Resize", [m.input, "", m.constant(np.array([1, 1, 2, 2.5], np.float32))], mode="linear")


# Transposed convolutions


def transposed(groups: int = 1, **attributes: Any) -> Callable[[], tuple[QdqModel, str]]:
    def build() -> tuple[QdqModel, str]:
        m = image()
        kernel = attributes.get("kernel_shape", [3, 4])
        weight = m.weight((4, 6 // groups, *kernel), None if groups > 1 else 1)
        return m, m.operator("ConvTranspose", [m.input, weight, m.random((6,), 0.1)], group=groups, **attributes)

    return build


# Weights of any kind


def asymmetric(groups: int, operator: str) -> Callable[[], tuple[QdqModel, str]]:
    def build() -> tuple[QdqModel, str]:
        m = image(kind=np.uint8) if operator == "Conv" else QdqModel((1, 12))
        shape = (8, 4 // groups, 3, 3) if operator == "Conv" else (12, 7)
        parameters = [m.constant(np.array(0.002, np.float32)), m.constant(np.array(37, np.uint8))]
        integers = m.constant(m.rng.integers(0, 256, shape).astype(np.uint8))
        weight = m.node("DequantizeLinear", [integers, *parameters])
        return m, m.operator(operator, [m.input, weight], **({"group": groups} if operator == "Conv" else {}))

    return build


def negative_alpha() -> tuple[QdqModel, str]:
    m = QdqModel((1, 12))
    return m, m.operator("Gemm", [m.input, m.weight((12, 5), 1), m.random((5,))], alpha=-0.7)


def dead_channels() -> tuple[QdqModel, str]:
    m = image()
    integers = m.rng.integers(-127, 128, (5, 4, 3, 3)).astype(np.int8)
    integers[2] = 0
    scales = [m.constant(np.array([0.003, 7e-10, 1e-42, 0.002, 0.004], np.float32)), m.constant(np.zeros(5, np.int8))]
    weight = m.node("DequantizeLinear", [m.constant(integers), *scales], axis=0)
    bias = m.constant(np.array([0.1, 5, -3, 0, -0.2], np.float32))
    return m, m.operator("Conv", [m.input, weight, bias])


# Operands of different shapes, larger and smaller of two


def broadcast(operator: str, small: list[int]) -> Callable[[], tuple[QdqModel, str]]:
    def build() -> tuple[QdqModel, str]:
        m = image()
        axes = m.constant(np.array(small))
        other = m.operator("ReduceMean", [m.input, axes], keepdims=1)
        return m, m.operator(operator, [m.input, other])

    return build


def both_broadcast() -> tuple[QdqModel, str]:
    m = image()
    rows = m.operator("ReduceMean", [m.input, m.constant(np.array([2]))], keepdims=1)
    columns = m.operator("ReduceMax", [m.input, m.constant(np.array([3]))], keepdims=1)
    return m, m.operator("Mul", [rows, columns])


def reduced(operator: str, axes: list[int]) -> Callable[[], tuple[QdqModel, str]]:
    def build() -> tuple[QdqModel, str]:
        m = image()
        return m, m.operator(operator, [m.input, m.constant(np.array(axes))], keepdims=0)

    return build


# Windows


def dilated_average() -> tuple[QdqModel, str]:
    m = image()
    return m, m.operator("AveragePool", [m.input], kernel_shape=[2, 3], dilations=[3, 2], strides=[2, 1])


def ceiled_average() -> tuple[QdqModel, str]:
    m = image(opset=19)
    attributes = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 1, 1]}
    return m, m.operator("AveragePool", [m.input], ceil_mode=1, count_include_pad=1, **attributes)


# Ties, and quantizers that are none of a tensor


def ties() -> tuple[QdqModel, str]:
    m = image()
    y = m.node("Slice", [m.input, *(m.constant(np.array([value])) for value in (1, 4, 1))])
    return m, m.quantized(y, scale=0.04, zero_point=3)


def rescaled() -> tuple[QdqModel, str]:
    m = QdqModel((1, 12))
    parameters = [m.constant(np.array(value, kind)) for value, kind in ((0.03, np.float32), (3, np.int8))]
    q = m.node("QuantizeLinear", [m.input, *parameters])
    y = m.node("DequantizeLinear", [q, m.constant(np.array(0.05, np.float32)), m.constant(np.array(-9, np.int8))])
    return m, m.operator("MatMul", [y, m.weight((12, 5), 1)])


def channels_of_depthwise() -> tuple[QdqModel, str]:
    m = image()
    y = m.node("Relu", [m.node("Conv", [m.input, m.weight((4, 4, 1, 1))])])
    parameters = [np.array([0.01, 0.02, 0.015, 0.03], np.float32) / 2, np.array([-128] * 4, np.int8)]
    constants = [m.constant(values) for values in parameters]
    q = m.node("QuantizeLinear", [y, *constants], axis=1)
    y = m.node("DequantizeLinear", [q, *constants], axis=1)
    return m, m.operator("Conv", [y, m.weight((4, 1, 3, 3))], group=4, pads=[1] * 4)


# Softmax of masked scores, LayerNorm in pieces


def masked(lowest: float) -> Callable[[], tuple[QdqModel, str]]:
    def build() -> tuple[QdqModel, str]:
        m = QdqModel((1, 6, 6))
        mask = m.constant(np.triu(np.full((6, 6), lowest, np.float32), 1))
        y = m.node("Softmax", [m.node("Add", [m.input, mask])], axis=-1)
        return m, m.quantized(y, scale=1 / 256, zero_point=-128)

    return build


def normalized(reciprocal: bool, twice: bool) -> Callable[[], tuple[QdqModel, str]]:
    def build() -> tuple[QdqModel, str]:
        m = QdqModel((1, 6, 12), opset=17)
        means = [m.node("ReduceMean", [m.input], axes=[-1])]
        centred = [m.node("Sub", [m.input, means[0]]) for _ in range(1 + twice)]
        squares = m.node("Pow", [centred[-1], m.constant(np.array(2, np.float32))])
        variance = m.node("ReduceMean", [squares], axes=[-1])
        root = m.node("Sqrt", [m.node("Add", [variance, m.constant(np.array(1e-5, np.float32))])])
        y = m.node("Mul", [centred[0], m.node("Reciprocal", [root])]) if reciprocal else ""
        y = y or m.node("Div", [centred[0], root])
        y = m.node("Add", [m.node("Mul", [y, m.random((12,))]), m.random((12,))])
        return m, m.quantized(y)

    return build


EXACT = {
    "gathered": gathered, "gathered rows": gathered_rows, "strided": strided, "tiled": tiled, "expanded": expanded,
    "reflected": padded("reflect"), "edges": padded("edge"), "cut by padding": cut_by_padding,
    "odd reshapes": odd_reshapes, "ties": ties, "largest": reduced("ReduceMax", [2, 3]),
    "least": reduced("ReduceMin", [1]), "rescaled": rescaled,
    **{
        f"resized, {coordinates}, {rounding}": resized("nearest", coordinates, rounding, [11, 9])
        for coordinates in COORDINATES
        for rounding in ROUNDINGS
    },
}  # fmt: skip
"""Not one value differs."""

CLOSE = {
    **{f"linear, {c}": resized("linear", c, "floor", [13, 9]) for c in COORDINATES},
    "smaller": resized("linear", "half_pixel", "floor", [3, 4]), "upsampled": upsampled,
    "transposed": transposed(), "transposed, strides": transposed(strides=[2, 3]),
    "transposed, pads": transposed(strides=[2, 2], pads=[1, 0, 1, 2], kernel_shape=[4, 4]),
    "transposed, output padding": transposed(strides=[3, 2], output_padding=[2, 1], pads=[1, 1, 1, 1]),
    "transposed, dilations": transposed(strides=[2, 1], dilations=[2, 2]),
    "transposed, groups": transposed(2, strides=[2, 2]),
    "transposed, same": transposed(strides=[2, 2], auto_pad="SAME_UPPER", kernel_shape=[3, 3]),
    "asymmetric": asymmetric(1, "Conv"), "asymmetric, groups": asymmetric(2, "Conv"),
    "asymmetric, depthwise": asymmetric(4, "Conv"), "asymmetric, linear": asymmetric(1, "MatMul"),
    "negative alpha": negative_alpha, "dead channels": dead_channels,
    **{
        f"{operator}, {axes}": broadcast(operator, axes)
        for operator in ("Add", "Sub", "Mul", "Max", "Min")
        for axes in ([2, 3], [1], [1, 2, 3])
    },
    "both broadcast": both_broadcast, "total": reduced("ReduceSum", [1, 3]), "dilated average": dilated_average,
    "ceiled average": ceiled_average, "channels of a depthwise input": channels_of_depthwise,
    "masked": masked(np.finfo(np.float32).min), "masked by a large number": masked(-1e4),
    "normalized": normalized(False, True), "normalized by a reciprocal": normalized(True, False),
}  # fmt: skip
"""At most one LSB."""


@pytest.mark.parametrize("name", EXACT)
def test_exact_operators(name: str) -> None:
    graph, error = compare(*EXACT[name]())
    assert error <= (1e-3 if "rescaled" not in name else ONE_LSB)
    assert graph.ops


@pytest.mark.parametrize("name", CLOSE)
def test_operators(name: str) -> None:
    layers = 2 if name == "channels of a depthwise input" else 1
    assert compare(*CLOSE[name]())[1] <= layers * ONE_LSB


def test_constants_quantized_by_nodes() -> None:
    """Exporters leave weights in float and put a QuantizeLinear behind them."""
    m = QdqModel((1, 5, 12))
    parameters = [m.constant(np.array(0.02, np.float32)), m.constant(np.array(3, np.int8))]
    gamma = m.node("DequantizeLinear", [m.node("QuantizeLinear", [m.random((12,)), *parameters]), *parameters])
    y = m.operator("LayerNormalization", [m.input, gamma, m.random((12,))])
    assert compare(m, y)[1] <= ONE_LSB


# What a model leaves in float


def float_layer() -> tuple[QdqModel, str]:
    m = QdqModel((1, 12))
    return m, m.node("Gemm", [m.input, m.weight((12, 7), 1), m.random((7,))])


def float_tail() -> tuple[QdqModel, str]:
    m = QdqModel((1, 12))
    return m, m.node("Softmax", [m.operator("Gemm", [m.input, m.weight((12, 7), 1)])])


def float_function() -> tuple[QdqModel, str]:
    m = image()
    return m, m.node("HardSwish", [m.input])


def float_between() -> tuple[QdqModel, str]:
    m = image()
    return m, m.operator("Conv", [m.node("Conv", [m.input, m.weight((4, 4, 3, 3))]), m.weight((4, 4, 1, 1))])


def float_sum() -> tuple[QdqModel, str]:
    m = image()
    a, b = (m.node("Conv", [m.input, m.weight((4, 4, 1, 1))]) for _ in range(2))
    return m, m.node("Relu", [m.node("Add", [a, b])])


@pytest.mark.parametrize("build", [float_layer, float_tail, float_function, float_between, float_sum])
def test_float_tensors_get_a_range(build: Callable[[], tuple[QdqModel, str]]) -> None:
    m, y = build()
    graph, error = compare(m, y)
    assert error <= (3.5 if build in (float_between, float_sum) else FLOAT_OUTPUT)
    assert bool(graph.wide_ranges) == (build not in (float_tail, float_function))


def test_calibrated_ranges_are_finer() -> None:
    m, y = float_layer()
    values = m.run(y, m.real_input)
    coarse = import_onnx(m.model(y))
    fine = import_onnx(m.model(y), calibrated={y: (float(values.min()), float(values.max()))})
    assert not fine.wide_ranges
    assert fine.tensors[fine.outputs[0]].scale < coarse.tensors[coarse.outputs[0]].scale / 1.5


# TensorFlow Lite


def windows(kind: str, shape: tuple[int, ...], size: int, **fields: Any) -> tuple[TfliteModel, int]:
    m = TfliteModel((1, 9, 8, 6))
    fields = {"padding": VALID, "strideH": 2, "strideW": 2, "filterHeight": size, "filterWidth": size, **fields}
    return m, m.operator(kind, [m.input], shape, 0.02, -3, options="Pool2DOptions", **fields)


def test_pooling_rounds_ties_away_from_zero() -> None:
    for size, shape in ((2, (1, 4, 4, 6)), (3, (1, 4, 3, 6))):
        assert compare_tflite(*windows("AVERAGE_POOL_2D", shape, size))[1] == 0
    assert compare_tflite(*windows("AVERAGE_POOL_2D", (1, 5, 4, 6), 3, padding=SAME))[1] == 0


@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_pooling_keeps_its_activation(kind: str) -> None:
    m, y = windows(kind, (1, 4, 4, 6), 2, fusedActivationFunction=RELU)
    assert compare_tflite(m, y)[1] == 0


def test_dilated_convolutions_over_batches() -> None:
    m = TfliteModel((1, 1, 20, 4))
    block = m.constant([1, 2])
    x = m.operator("SPACE_TO_BATCH_ND", [m.input, block, m.constant([[0, 0], [2, 0]])], (2, 1, 11, 4), 0.02, -3)
    w, bias = m.weights((6, 1, 2, 4), 0, x)
    fields = {"padding": VALID, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    y = m.operator("CONV_2D", [x, w, bias], (2, 1, 10, 6), options="Conv2DOptions", **fields)
    y = m.operator("BATCH_TO_SPACE_ND", [y, block, m.constant([[0, 0], [0, 0]])], (1, 1, 20, 6))
    graph, error = compare_tflite(m, y)
    assert [type(op).__name__ for op in graph.ops] == ["Conv2D"]
    assert error <= 1


@pytest.mark.parametrize(("corners", "centres"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("kind", ["RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"])
def test_resizing(kind: str, corners: bool, centres: bool) -> None:
    m = TfliteModel((1, 5, 4, 3))
    name = {"RESIZE_BILINEAR": "ResizeBilinearOptions"}.get(kind, "ResizeNearestNeighborOptions")
    fields = {"alignCorners": corners, "halfPixelCenters": centres}
    y = m.operator(kind, [m.input, m.constant([11, 7])], (1, 11, 7, 3), 0.02, -3, options=name, **fields)
    assert compare_tflite(m, y)[1] <= (1 if kind == "RESIZE_BILINEAR" else 0)


def test_transposed_convolution() -> None:
    for padding, shape in ((SAME, (1, 10, 8, 4)), (VALID, (1, 12, 10, 4))):
        m = TfliteModel((1, 5, 4, 8))
        w, bias = m.weights((4, 4, 4, 8), 0, m.input)
        y = m.operator(
            "TRANSPOSE_CONV", [m.constant(list(shape)), w, m.input, bias], shape, options="TransposeConvOptions",
            padding=padding, strideH=2, strideW=2,
        )  # fmt: skip
        m.codes[-1].version = 3
        assert compare_tflite(m, y)[1] <= 1


def test_reductions() -> None:
    m = TfliteModel((1, 12, 6))
    for kind in ("REDUCE_MAX", "REDUCE_MIN"):
        y = m.operator(kind, [m.input, m.constant([1])], (1, 6), 0.02, -3, options="ReducerOptions", keepDims=False)
        assert compare_tflite(m, y)[1] == 0


def test_other_orders() -> None:
    m = TfliteModel((1, 6, 5, 4))
    y = m.operator("REVERSE_V2", [m.input, m.constant([2])], (1, 6, 5, 4), 0.02, -3)
    y = m.operator(
        "MIRROR_PAD", [y, m.constant([[0, 0], [1, 2], [0, 1], [0, 0]])], (1, 9, 6, 4), 0.02, -3,
        options="MirrorPadOptions", mode=1,
    )  # fmt: skip
    y = m.operator("TILE", [y, m.constant([1, 1, 2, 1])], (1, 9, 12, 4), 0.02, -3)
    bounds = [m.constant(values) for values in ([0, 0, 11, 0], [1, 9, 0, 4], [1, 2, -3, 1])]
    y = m.operator(
        "STRIDED_SLICE", [y, *bounds], (1, 5, 4, 4), 0.02, -3, options="StridedSliceOptions"
    )  # fmt: skip
    y = m.operator("PACK", [y, y], (1, 2, 5, 4, 4), 0.02, -3, options="PackOptions", axis=1, valuesCount=2)
    assert compare_tflite(m, m.operator("RESHAPE", [y, m.constant([1, 160])], (1, 160), 0.02, -3))[1] == 0


def test_biases_with_the_axis_of_their_weights() -> None:
    m = TfliteModel((1, 6, 6, 4))
    y = conv(m, m.input, 5)
    plain = import_tflite(m.content(y))
    bias = m.operators[-1].inputs[2]
    m.tensors[bias].quantization.quantizedDimension = 3
    odd = import_tflite(m.content(y))
    np.testing.assert_array_equal(odd.ops[0].bias, plain.ops[0].bias)  # type: ignore[attr-defined]


def test_softmax_of_another_temperature() -> None:
    m = TfliteModel((1, 30))
    y = m.operator("SOFTMAX", [m.input], (1, 30), 1 / 256, -128, options="SoftmaxOptions", beta=0.5)
    assert compare_tflite(m, y)[1] <= 1


# Refusals


def state() -> bytes:
    m = TfliteModel((1, 2, 1, 4))
    ring = m.tensor((1, 2, 1, 4), np.int8, 0.02, -3)
    m.tensors[ring].isVariable = True
    y = m.operator("CONCATENATION", [ring, m.input], (1, 4, 1, 4), options="ConcatenationOptions", axis=1)
    return m.content(y)


def shuffled_weights() -> bytes:
    m = TfliteModel((1, 8))
    w, bias = m.weights((4, 8), 0, m.input)
    y = m.operator("FULLY_CONNECTED", [m.input, w, bias], (1, 4), options="FullyConnectedOptions", weightsFormat=1)
    return m.content(y)


@pytest.mark.parametrize(
    ("content", "parts"),
    [(state, ["CONCATENATION", "state", "'t1'"]), (shuffled_weights, ["FULLY_CONNECTED", "WeightsFormat = 1"])],
)
def test_what_is_not_understood_is_refused(content: Callable[[], bytes], parts: list[str]) -> None:
    with pytest.raises(TinyFormerError) as caught:
        import_tflite(content())
    for part in parts:
        assert part in str(caught.value)
    assert "damaged" not in str(caught.value)


def test_a_mask_that_keeps_nothing_is_refused() -> None:
    m = QdqModel((1, 6, 6))
    mask = m.constant(np.full((6, 6), -1e9, np.float32) * np.eye(6, dtype=np.float32)[:1].T)
    y = m.quantized(m.node("Softmax", [m.node("Add", [m.input, mask])], axis=-1), scale=1 / 256, zero_point=-128)
    with pytest.raises(TinyFormerError, match="keeps no element"):
        import_onnx(m.model(y))
