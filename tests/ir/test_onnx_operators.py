# SPDX-License-Identifier: Apache-2.0
"""Every operator family against onnxruntime on the same QDQ model: at most one LSB apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from tests.ir.qdq import QdqModel, compare
from tinyformer.errors import TinyFormerError
from tinyformer.ir import graph as ir
from tinyformer.ir.onnx_import import import_onnx

ONE_LSB = 1.001


def kinds(graph: ir.Graph) -> list[str]:
    """Operator types in order."""
    return [type(op).__name__ for op in graph.ops]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**16),
    groups=st.sampled_from([1, 1, 2, 4]),
    widths=st.tuples(st.integers(1, 3), st.integers(1, 4)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.one_of(
        st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]), st.lists(st.integers(0, 2), min_size=4, max_size=4)
    ),
    per_channel=st.booleans(),
    kind=st.sampled_from([np.int8, np.uint8]),
    bias=st.sampled_from(["none", "float", "int32"]),
)
def test_convolution(
    seed: int, groups: int, widths: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int],
    dilations: tuple[int, int], padding: Any, per_channel: bool, kind: Any, bias: str,
) -> None:  # fmt: skip
    assume(isinstance(padding, list) or dilations == (1, 1))  # onnxruntime refuses SAME with dilations
    inputs, outputs = groups * widths[0], groups * widths[1]
    m = QdqModel((1, inputs, 9, 8), kind=kind, seed=seed)
    operands = [m.input, m.weight((outputs, widths[0], *kernel), 0 if per_channel else None)]
    if bias == "float":
        operands.append(m.random((outputs,), 0.1))
    elif bias == "int32":
        integers = m.constant(m.rng.integers(-3000, 3000, outputs).astype(np.int32))
        operands.append(m.node("DequantizeLinear", [integers, m.constant(np.full(outputs, 1e-4, np.float32))], axis=0))
    attributes = {"auto_pad": padding} if isinstance(padding, str) else {"pads": padding}
    y = m.operator("Conv", operands, group=groups, strides=strides, dilations=dilations, **attributes)
    _, error = compare(m, y)
    assert error <= ONE_LSB


def test_depthwise_and_pointwise_are_recognized() -> None:
    m = QdqModel((1, 6, 5, 5))
    y = m.operator("Conv", [m.input, m.weight((6, 1, 3, 3))], group=6, pads=[1] * 4)
    y = m.operator("Conv", [y, m.weight((4, 6, 1, 1))])
    graph, error = compare(m, y)
    assert kinds(graph) == ["DepthwiseConv2D", "Conv2D"]
    assert error <= 2 * ONE_LSB


def test_convolution_over_a_sequence() -> None:
    m = QdqModel((1, 4, 20))
    y = m.operator("Conv", [m.input, m.weight((6, 4, 5))], strides=[2], pads=[1, 2])
    y = m.node("MaxPool", [y], kernel_shape=[2], strides=[2])
    y = m.operator("AveragePool", [y], kernel_shape=[2])
    graph, error = compare(m, y)
    assert error <= 2 * ONE_LSB
    core = [kind for kind in kinds(graph) if kind != "Reshape"]
    assert core == ["Transpose", "Conv2D", "MaxPool2D", "AveragePool2D", "Transpose"]  # sequences are channels first


@pytest.mark.parametrize("between", [False, True], ids=["bare", "quantized-between"])
@pytest.mark.parametrize(
    ("operator", "extra"), [("Relu", []), ("Clip", [0.0, 1.0]), ("Clip", [-0.3, 0.4]), ("BatchNormalization", [])]
)
def test_what_follows_a_convolution_is_absorbed(operator: str, extra: list[float], between: bool) -> None:
    m = QdqModel((1, 3, 8, 8))
    y = m.node("Conv", [m.input, m.weight((5, 3, 3, 3)), m.random((5,), 0.1)], pads=[1] * 4)
    if between:
        y = m.quantized(y)
    operands = [m.constant(np.array(value, np.float32)) for value in extra]
    if operator == "BatchNormalization":
        values = (m.rng.normal(1, 0.8, 5), m.rng.normal(0, 0.1, 5), m.rng.normal(0, 0.1, 5), m.rng.uniform(0.5, 2, 5))
        operands = [m.constant(v.astype(np.float32)) for v in values]
    graph, error = compare(m, m.operator(operator, [y, *operands]))
    # The saturation of a quantizer in between would be another for each channel.
    alone = between and operator == "BatchNormalization"
    assert [kind for kind in kinds(graph) if kind != "Reshape"] == ["Conv2D", *(["DepthwiseConv2D"] if alone else [])]
    # The rounding in between is dropped on purpose; its steps are several of the output's where that is clipped.
    assert error <= (4.1 if between and not alone else ONE_LSB)


def test_padding_is_folded_into_the_convolution() -> None:
    m = QdqModel((1, 3, 8, 8))
    y = m.quantized(
        m.node("Pad", [m.input, m.constant(np.array([0, 0, 1, 0, 0, 0, 0, 2]))]),
        scale=0.02,
        zero_point=m.input_zero_point,
    )
    graph, error = compare(m, m.operator("Conv", [y, m.weight((5, 3, 3, 3))], pads=[0, 1, 1, 0]))
    assert kinds(graph) == ["Conv2D"]
    assert error <= ONE_LSB


@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_gemm(transposed: int, kind: Any) -> None:
    m = QdqModel((1, 12), kind=kind)
    weight = m.weight((7, 12) if transposed else (12, 7), 0 if transposed else 1)
    y = m.operator("Gemm", [m.input, weight, m.random((7,), 0.1)], transB=transposed, alpha=0.5, beta=2.0)
    graph, error = compare(m, y)
    assert kinds(graph) == ["Linear"]
    assert error <= ONE_LSB


def test_flattened_images_cost_nothing() -> None:
    """The weights follow the order in which the feature map lies."""
    m = QdqModel((1, 3, 4, 5))
    y = m.node("Flatten", [m.operator("Relu", [m.operator("Conv", [m.input, m.weight((4, 3, 1, 1))])])])
    graph, error = compare(m, m.operator("Gemm", [y, m.weight((6, 80), 0)], transB=1))
    assert kinds(graph) == ["Conv2D", "Reshape", "Linear"]
    assert error <= 3 * ONE_LSB


@pytest.mark.parametrize("transposed", [False, True], ids=["plain", "weights-behind-a-transpose"])
@pytest.mark.parametrize("between", [False, True], ids=["bare", "quantized-between"])
def test_token_linear_with_bias(transposed: bool, between: bool) -> None:
    m = QdqModel((1, 6, 12))
    weight = m.node("Transpose", [m.weight((7, 12), 0)], perm=[1, 0]) if transposed else m.weight((12, 7), 1)
    y = m.node("MatMul", [m.input, weight])
    if between:
        y = m.quantized(y)
    graph, error = compare(m, m.operator("Add", [m.random((7,), 0.1), y]))
    assert [kind for kind in kinds(graph) if kind != "Reshape"] == ["Linear", *(["DepthwiseConv2D"] if between else [])]
    assert error <= ONE_LSB


def test_weights_quantized_in_the_graph() -> None:
    """As torch exports fake quantization: float weights behind their own QuantizeLinear."""
    m = QdqModel((1, 6, 12))
    parameters = [m.constant(np.full(7, 0.01, np.float32)), m.constant(np.zeros(7, np.int8))]
    q = m.node("QuantizeLinear", [m.random((12, 7), 0.3), *parameters], axis=1)
    w = m.node("DequantizeLinear", [q, *parameters], axis=1)
    graph, error = compare(m, m.operator("MatMul", [m.input, w]))
    assert kinds(graph) == ["Linear"]
    assert error <= ONE_LSB


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize("relu", [False, True])
def test_two_activations(operator: str, relu: bool) -> None:
    m = QdqModel((1, 4, 5, 6))
    a = m.operator("Conv", [m.input, m.weight((4, 4, 1, 1))])
    b = m.operator("Conv", [m.input, m.weight((4, 4, 1, 1), spread=0.4)])
    y = m.node(operator, [a, b])
    y = m.operator("Relu", [y]) if relu else m.quantized(y)
    graph, error = compare(m, y)
    assert kinds(graph) == ["Conv2D", "Conv2D", "Mul" if operator == "Mul" else "Add"]
    assert error <= 3 * ONE_LSB


def test_what_is_used_twice_is_computed_once() -> None:
    """Sixty sums of a tensor with itself: anything that walked all paths would never end."""
    m = QdqModel((1, 4, 2, 2))
    y = m.input
    for _ in range(60):
        y = m.node("Mul", [m.node("Add", [y, y]), m.constant(np.float32(0.5))])
    graph, error = compare(m, m.operator("Tanh", [y]))
    assert kinds(graph) == ["Lut"]
    assert error <= ONE_LSB


def test_a_divisor_of_0_saturates() -> None:
    m = QdqModel((1, 4, 6, 6), seed=5)
    mixed = m.node("Transpose", [m.input], perm=[0, 1, 3, 2])
    divisor = m.quantized(m.node("Relu", [mixed]), scale=0.01, zero_point=-128)
    graph, error = compare(m, m.quantized(m.node("Div", [m.input, divisor]), scale=0.3, zero_point=-7))
    assert kinds(graph)[-1] == "Div"
    assert error <= ONE_LSB


def test_layer_norm_in_quantized_pieces() -> None:
    m = QdqModel((1, 6, 16), seed=6, opset=13)
    axes = {"axes": [-1], "keepdims": 1}
    centred = m.operator("Sub", [m.input, m.operator("ReduceMean", [m.input], **axes)])
    variance = m.operator("ReduceMean", [m.operator("Mul", [centred, centred])], **axes)
    y = m.operator("Div", [centred, m.operator("Sqrt", [variance])])
    graph, error = compare(m, y)
    assert kinds(graph)[-1] == "Div"
    assert error <= 2 * ONE_LSB, "its five roundings are the model's own, each within one step of onnxruntime's"


@pytest.mark.parametrize("steps", [200, 20, 8])
def test_layer_norm_whose_variance_alone_is_rounded(steps: int) -> None:
    """As onnxruntime's quantizer leaves it before opset 17; ``steps``: of a typical variance."""
    m = QdqModel((1, 24, 16), seed=7, opset=13)
    axes = {"axes": [-1], "keepdims": 1}
    centred = m.node("Sub", [m.input, m.node("ReduceMean", [m.input], **axes)])
    squares = m.node("Pow", [centred, m.constant(np.array(2.0, np.float32))])
    scale = float((np.float32(0.05) * 74) ** 2 / steps)
    variance = m.quantized(m.node("ReduceMean", [squares], **axes), scale=scale, zero_point=-128)
    total = m.node("Add", [variance, m.constant(np.array(1e-5, np.float32))])
    y = m.node("Div", [centred, m.node("Sqrt", [m.quantized(total, scale=scale, zero_point=-128)])])
    graph, error = compare(m, m.quantized(y, scale=0.03, zero_point=3))
    assert kinds(graph) == ["RoundedLayerNorm"]
    assert error <= ONE_LSB


def test_squeeze_and_excite() -> None:
    m = QdqModel((1, 8, 5, 6))
    y = m.operator("Conv", [m.input, m.weight((8, 8, 1, 1))])
    s = m.operator("GlobalAveragePool", [y])
    s = m.operator("HardSigmoid", [m.operator("Conv", [s, m.weight((8, 8, 1, 1), spread=2.0)])], alpha=1 / 6)
    graph, error = compare(m, m.operator("Mul", [s, y]))
    assert kinds(graph) == ["Conv2D", "AveragePool2D", "Conv2D", "Lut", "Mul"]
    assert error <= 4


@pytest.mark.parametrize("shape", [(1,), (4, 1, 1), (1, 4, 5, 6), (5, 6)])
@pytest.mark.parametrize("operator", ["Add", "Mul", "Sub"])
def test_constant_operands(shape: tuple[int, ...], operator: str) -> None:
    """Scalars become tables, vectors over channels 1x1 depthwise convolutions, anything else a constant tensor."""
    m = QdqModel((1, 4, 5, 6))
    graph, error = compare(m, m.operator(operator, [m.input, m.random(shape)]))
    expected = {(1,): ["Lut"], (4, 1, 1): ["DepthwiseConv2D"]}.get(
        shape, ["Constant", "Mul" if operator == "Mul" else "Add"]
    )
    assert [kind for kind in kinds(graph) if kind != "Reshape"] == expected
    assert error <= 2.5  # a float constant is itself rounded to INT8


UNARY: list[tuple[str, dict[str, Any]]] = [
    ("Abs", {}), ("Ceil", {}), ("Celu", {"alpha": 0.7}), ("Cos", {}), ("Elu", {"alpha": 0.5}), ("Erf", {}), ("Exp", {}),
    ("Floor", {}), ("Gelu", {}), ("Gelu", {"approximate": "tanh"}), ("HardSigmoid", {"alpha": 0.3}), ("HardSwish", {}),
    ("LeakyRelu", {"alpha": 0.1}), ("Mish", {}), ("Neg", {}), ("Relu", {}), ("Round", {}), ("Selu", {}),
    ("Sigmoid", {}), ("Sign", {}), ("Sin", {}), ("Softplus", {}), ("Softsign", {}), ("Tanh", {}),
    ("ThresholdedRelu", {"alpha": 0.4}),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "attributes"), UNARY, ids=lambda value: value if isinstance(value, str) else "")
def test_unary_functions(operator: str, attributes: dict[str, Any]) -> None:
    m = QdqModel((1, 4, 9, 9))
    _, error = compare_unary(m, m.operator(operator, [m.input], **attributes))
    assert error <= ONE_LSB


def compare_unary(m: QdqModel, y: str) -> tuple[ir.Graph, float]:
    graph, error = compare_any(m, y)
    assert kinds(graph) == ["Lut"]
    return graph, error


def compare_any(m: QdqModel, y: str) -> tuple[ir.Graph, float]:
    """As compare, for functions that take few values."""
    try:
        return compare(m, y)
    except AssertionError as error:
        if "exercise" not in str(error):
            raise
        return compare(m, m.quantized(m.node("Add", [y, m.input])))


def _gelu_erf(m: QdqModel, x: str) -> str:
    def scalar(value: float) -> str:
        return m.constant(np.array(value, np.float32))

    inner = m.node("Add", [m.node("Erf", [m.node("Div", [x, scalar(2**0.5)])]), scalar(1.0)])
    return m.node("Mul", [m.node("Mul", [x, inner]), scalar(0.5)])


def _silu(m: QdqModel, x: str) -> str:
    return m.node("Mul", [x, m.node("Sigmoid", [x])])


def _silu_quantized(m: QdqModel, x: str) -> str:
    return m.node("Mul", [m.operator("Sigmoid", [x]), x])


def _hard_swish(m: QdqModel, x: str) -> str:
    bounds = [m.constant(np.array(value, np.float32)) for value in (0, 6)]
    clipped = m.node("Clip", [m.node("Add", [x, m.constant(np.array([3], np.float32))]), *bounds])
    return m.node("Div", [m.node("Mul", [x, clipped]), m.constant(np.array(6, np.float32))])


def _roots(m: QdqModel, x: str) -> str:
    return m.node("Sqrt", [m.operator("Pow", [m.node("Abs", [x]), m.constant(np.array(3, np.float32))])])


@pytest.mark.parametrize("function", [_gelu_erf, _silu, _silu_quantized, _hard_swish, _roots])
def test_islands_become_one_table(function: Callable[[QdqModel, str], str]) -> None:
    m = QdqModel((1, 4, 9, 9))
    _, error = compare_unary(m, m.quantized(function(m, m.input)))
    assert error <= ONE_LSB


def test_a_cast_to_integers_truncates() -> None:
    m = QdqModel((1, 4, 9, 9))
    x = m.node("Mul", [m.input, m.constant(np.float32(4))])
    y = m.node("Cast", [m.node("Cast", [x], to=TensorProto.INT64)], to=TensorProto.FLOAT)
    _, error = compare_unary(m, m.quantized(y))
    assert error <= ONE_LSB


def test_a_cast_between_real_types_is_nothing() -> None:
    m = QdqModel((1, 4, 9, 9))
    y = m.node("Cast", [m.node("Cast", [m.input], to=TensorProto.DOUBLE)], to=TensorProto.FLOAT)
    graph, error = compare(m, m.operator("Conv", [y, m.weight((3, 4, 1, 1))]))
    assert kinds(graph) == ["Conv2D"]
    assert error <= ONE_LSB


def test_a_cast_to_narrow_integers_is_refused() -> None:
    m = QdqModel((1, 4, 9, 9))
    y = m.node("Cast", [m.node("Cast", [m.input], to=TensorProto.INT8)], to=TensorProto.FLOAT)
    with pytest.raises(TinyFormerError, match="Cast from FLOAT to INT8"):
        import_onnx(m.model(m.quantized(y)))


@pytest.mark.parametrize("n", [3, 16, 49, 200])
@pytest.mark.parametrize("axis", [-1, 1])
def test_softmax(n: int, axis: int) -> None:
    m = QdqModel((1, n, 5) if axis == 1 else (1, 5, n))
    y = m.quantized(m.node("Softmax", [m.input], axis=axis), scale=1 / 256, zero_point=-128)
    _, error = compare(m, y)
    assert error <= ONE_LSB


@pytest.mark.parametrize("n", [8, 24, 96, 384])
def test_layer_norm(n: int) -> None:
    m = QdqModel((1, 7, n))
    y = m.operator("LayerNormalization", [m.input, m.random((n,)), m.random((n,), 0.3)], epsilon=1e-5)
    graph, error = compare(m, y)
    assert kinds(graph) == ["LayerNorm"]
    assert error <= ONE_LSB


POOLING: list[tuple[str, dict[str, Any]]] = [
    ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1] * 4}),
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1}),
    ("AveragePool", {"kernel_shape": [3, 2], "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4, "ceil_mode": 1}),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    ("GlobalAveragePool", {}),
    ("GlobalMaxPool", {}),
    ("ReduceMean", {"keepdims": 0, "axes": [2, 3]}),
    ("ReduceMean", {"keepdims": 1, "axes": [-1]}),
    ("ReduceMean", {"keepdims": 0, "axes": [1]}),
]


@pytest.mark.parametrize(("operator", "attributes"), POOLING)
def test_pooling(operator: str, attributes: dict[str, Any]) -> None:
    m = QdqModel((1, 5, 9, 7), opset=17)
    _, error = compare(m, m.operator(operator, [m.input], **attributes))
    assert error <= ONE_LSB


def test_mean_over_tokens() -> None:
    m = QdqModel((1, 9, 8))
    graph, error = compare(m, m.operator("ReduceMean", [m.input, m.constant(np.array([1]))], keepdims=0))
    assert kinds(graph) == ["Reshape", "AveragePool2D", "Reshape"]
    assert error <= ONE_LSB


def test_pieces() -> None:
    """Split, Slice, Gather, Concat of different scales, Pad."""
    m = QdqModel((1, 8, 6, 6))
    a, b = m.node("Split", [m.input], outputs=2, axis=1, num_outputs=2)
    a, b = m.quantized(a), m.operator("Sigmoid", [b])
    bounds = [m.constant(np.array(v)) for v in ([1, 0], [6, -1], [2, 3])]
    y = m.operator("Slice", [m.operator("Concat", [a, b, m.random((1, 2, 6, 6), 0.5)], axis=1), *bounds])
    y = m.operator("Pad", [y, m.constant(np.array([0, 1, 0, 0, 0, 0, 2, 0])), m.constant(np.array(0.25, np.float32))])
    y = m.operator("Gather", [y, m.constant(np.array(3))], axis=2)
    graph, error = compare(m, y)
    assert error <= 3
    assert {"Slice", "Concat", "Pad", "Constant"} <= set(kinds(graph))


def test_channel_shuffle_moves_data_once() -> None:
    m = QdqModel((1, 6, 4, 4))
    y = m.node("Reshape", [m.input, m.constant(np.array([1, 2, 3, 4, 4]))])
    y = m.node("Reshape", [m.node("Transpose", [y], perm=[0, 2, 1, 3, 4]), m.constant(np.array([0, -1, 4, 4]))])
    graph, error = compare(m, m.operator("Conv", [y, m.weight((6, 1, 3, 3))], group=6))
    assert kinds(graph).count("Transpose") == 1
    assert error <= ONE_LSB


def attention(m: QdqModel, x: str, tokens: int, width: int, heads: int, *, packed: bool) -> str:
    """Multi-head attention on (1, tokens, width), as exported with three projections or one packed one."""
    head = width // heads

    def constant(*values: int) -> str:
        return m.constant(np.array(values))

    def linear(source: str, outputs: int) -> str:
        return m.operator("Add", [m.node("MatMul", [source, m.weight((width, outputs), 1)]), m.random((outputs,), 0.1)])

    if packed:
        qkv = m.node("Reshape", [linear(x, 3 * width), constant(1, tokens, 3, heads, head)])
        qkv = m.node("Transpose", [qkv], perm=[2, 0, 3, 1, 4])
        q, k, v = (m.node("Gather", [qkv, m.constant(np.array(i))], axis=0) for i in range(3))
        k = m.node("Transpose", [k], perm=[0, 1, 3, 2])
    else:
        q, k, v = (
            m.node("Transpose", [m.node("Reshape", [linear(x, width), constant(0, tokens, heads, head)])], perm=perm)
            for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
        )
    scores = m.operator("Mul", [m.operator("MatMul", [q, k]), m.constant(np.array(head**-0.5, np.float32))])
    scores = m.operator("Softmax", [scores], axis=-1)
    y = m.node("Transpose", [m.operator("MatMul", [scores, v])], perm=[0, 2, 1, 3])
    return linear(m.node("Reshape", [y, constant(1, tokens, width)]), width)


@pytest.mark.parametrize("packed", [False, True], ids=["separate", "packed"])
@pytest.mark.parametrize("heads", [1, 2])
def test_attention_on_a_feature_map_moves_no_data(packed: bool, heads: int) -> None:
    m = QdqModel((1, 8, 4, 3))
    y = m.node("Reshape", [m.input, m.constant(np.array([1, 8, 12]))])
    x = m.node("Transpose", [y], perm=[0, 2, 1])
    x = m.operator("LayerNormalization", [x, m.random((8,)), m.random((8,))])
    y = m.node("Transpose", [attention(m, x, 12, 8, heads, packed=packed)], perm=[0, 2, 1])
    y = m.node("Reshape", [y, m.constant(np.array([0, 8, 4, 3]))])
    graph, error = compare(m, m.operator("Conv", [y, m.weight((5, 8, 1, 1))]))
    core = [kind for kind in kinds(graph) if kind != "Reshape"]
    assert core == [
        "LayerNorm",
        "Linear",
        "Linear",
        "Linear",
        "BatchMatMul",
        "Softmax",
        "BatchMatMul",
        "Linear",
        "Conv2D",
    ]
    assert error <= 6
