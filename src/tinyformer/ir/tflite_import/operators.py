"""What each TensorFlow Lite operator is in the operators of a network: one small function per family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import tflite

from tinyformer.ir.lowering.network import Node
from tinyformer.ir.tflite_import.network_builder import NetworkBuilder
from tinyformer.ir.tflite_import.reading import TfliteOperator

Translation: TypeAlias = Callable[[NetworkBuilder, TfliteOperator], None]


def _padding(operator: TfliteOperator) -> str:
    return "SAME_UPPER" if operator.option("Padding", 0) == tflite.Padding.SAME else "VALID"


def _strides(operator: TfliteOperator) -> list[int]:
    return [operator.option("StrideH", 1), operator.option("StrideW", 1)]


def _convolution(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    """Weights (O, H, W, I) -> (O, I, H, W)."""
    x, w, *bias = builder.inputs(operator)
    w = _with_axes(builder, operator, w, (0, 3, 1, 2))
    groups = builder.shape(x)[3] // builder.shape(w)[1]
    builder.image_node("Conv", x, [w, *bias], operator, **_window(operator), group=groups)


def _depthwise(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    """Weights (1, H, W, C * multiplier) -> (C * multiplier, 1, H, W)."""
    x, w, *bias = builder.inputs(operator)
    w = _with_axes(builder, operator, w, (3, 0, 1, 2))
    builder.image_node("Conv", x, [w, *bias], operator, **_window(operator), group=builder.shape(x)[3])


def _with_axes(builder: NetworkBuilder, operator: TfliteOperator, w: str, axes: tuple[int, ...]) -> str:
    """Constant weights with their axes permuted; anything else as it is, to be reported."""
    weights = builder.network.constants.get(w)
    if weights is None:
        return w
    scale = weights.scale
    if scale is not None:
        scale = np.broadcast_to(scale, weights.values.shape).transpose(axes)
    return builder.constant(f"{builder.names[operator.outputs[0]]}/weights", weights.values.transpose(axes), scale)


def _window(operator: TfliteOperator) -> dict[str, Any]:
    dilations = [operator.option("DilationHFactor", 1), operator.option("DilationWFactor", 1)]
    return {"strides": _strides(operator), "dilations": dilations, "auto_pad": _padding(operator)}


def _fully_connected(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    """Rows of whatever the input holds times (O, I) transposed."""
    x, w, *bias = builder.inputs(operator)
    inputs = builder.shape(w)[-1]
    result = builder.names[operator.outputs[0]]
    shape = builder.shape(result)
    rows = (*shape[:-1], inputs)
    if builder.shape(x) != rows:
        x = builder.reshaped(x, rows, f"{result}/rows")
    builder.node("Gemm", [x, w, *bias], operator, transB=1)


def _pool(kind: str) -> Translation:
    def translate(builder: NetworkBuilder, operator: TfliteOperator) -> None:
        kernel = [operator.option("FilterHeight", 1), operator.option("FilterWidth", 1)]
        window = {"kernel_shape": kernel, "strides": _strides(operator), "auto_pad": _padding(operator)}
        builder.image_node(kind, builder.inputs(operator)[0], [], operator, **window)

    return translate


def _elementwise(kind: str, **attributes: Any) -> Translation:
    def translate(builder: NetworkBuilder, operator: TfliteOperator) -> None:
        builder.node(kind, builder.inputs(operator), operator, **attributes)

    return translate


def _view(kind: str) -> Translation:
    """Operators whose parameters are the shape of the output."""

    def translate(builder: NetworkBuilder, operator: TfliteOperator) -> None:
        builder.node(kind, builder.inputs(operator)[:1], operator)

    return translate


def _transpose(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    permutation = tuple(int(axis) for axis in builder.value(operator, 1))
    builder.node("Transpose", builder.inputs(operator)[:1], operator, perm=permutation)


def _concatenation(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    builder.node("Concat", builder.inputs(operator), operator, axis=operator.option("Axis", 0))


def _softmax(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    beta = operator.option("Beta", 1.0)
    builder.node(
        "Softmax" if beta == 1.0 else f"SOFTMAX with beta {beta:g}", builder.inputs(operator), operator, axis=-1
    )


def _mean(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    axes = [int(axis) for axis in np.atleast_1d(builder.value(operator, 1))]
    builder.node("ReduceMean", builder.inputs(operator)[:1], operator, axes=axes)


def _pad(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    widths = builder.value(operator, 1)
    result = builder.names[operator.outputs[0]]
    pads = builder.constant(f"{result}/pads", np.concatenate([widths[:, 0], widths[:, 1]]))
    names = builder.inputs(operator)
    builder.node("Pad", [names[0], pads, *names[2:3]], operator)


def _slice(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    begin, size = (builder.value(operator, i).astype(np.int64) for i in (1, 2))
    shape = np.array(builder.shape(builder.inputs(operator)[0]))
    _ranges(builder, operator, begin, np.where(size < 0, shape, begin + size))


def _strided_slice(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    begin, end, stride = (builder.value(operator, i).astype(np.int64) for i in (1, 2, 3))
    shape = builder.shape(builder.inputs(operator)[0])
    for axis in range(len(begin)):
        if operator.option("BeginMask", 0) >> axis & 1:
            begin[axis] = 0
        if operator.option("EndMask", 0) >> axis & 1:
            end[axis] = shape[axis]
        if operator.option("ShrinkAxisMask", 0) >> axis & 1:
            begin[axis] %= shape[axis]
            end[axis] = begin[axis] + 1
    if operator.option("EllipsisMask", 0) or operator.option("NewAxisMask", 0):
        builder.node("STRIDED_SLICE with an ellipsis or a new axis", builder.inputs(operator)[:1], operator)
        return
    _ranges(builder, operator, begin, end, stride)


def _ranges(builder: NetworkBuilder, operator: TfliteOperator, begin: Any, end: Any, stride: Any = None) -> None:
    """A Slice, and a Reshape where the result drops axes."""
    x = builder.inputs(operator)[0]
    result = builder.names[operator.outputs[0]]
    steps = np.ones_like(begin) if stride is None else stride
    parts = [("starts", begin), ("ends", end), ("axes", np.arange(len(begin))), ("steps", steps)]
    parameters = [builder.constant(f"{result}/{name}", np.asarray(value, np.int64)) for name, value in parts]
    sizes = list(builder.shape(x))
    for axis, (first, last) in enumerate(zip(begin, end, strict=True)):
        sizes[axis] = len(range(*slice(int(first), int(last)).indices(sizes[axis])))
    node = builder.node("Slice", [x, *parameters], operator)
    if tuple(sizes) != builder.shape(result):
        node.output = builder.like(x, f"{result}/slice", tuple(sizes))
        builder.network.nodes.append(Node("Reshape", f"{result}/reshape", [node.output], result))


def _split(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    """SPLIT (axis, x) and SPLIT_V (x, sizes, axis): one Slice per output."""
    index = 1 if operator.kind == "SPLIT" else 0
    x = builder.inputs(operator)[index]
    axis = int(builder.value(operator, 0 if operator.kind == "SPLIT" else 2).reshape(-1)[0]) % len(builder.shape(x))
    begin = 0
    for output in operator.outputs:
        end = begin + builder.shape(builder.names[output])[axis]
        part = TfliteOperator(operator.kind, operator.inputs, (output,), None)
        builder.node("Slice", [x], part, axis=axis, begin=begin, end=end)
        begin = end


def _gather(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    kind = "GATHER over batches" if operator.option("BatchDims", 0) else "Gather"
    builder.node(kind, builder.inputs(operator), operator, axis=operator.option("Axis", 0))


def _batch_matmul(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    a, b = builder.inputs(operator)
    result = builder.names[operator.outputs[0]]
    for name, adjoint in (("AdjX", "a"), ("AdjY", "b")):
        if operator.option(name, False):
            rank = len(builder.shape(a if adjoint == "a" else b))
            swapped = (*range(rank - 2), rank - 1, rank - 2)
            if adjoint == "a":
                a = builder.transposed(a, swapped, f"{result}/a")
            else:
                b = builder.transposed(b, swapped, f"{result}/b")
    builder.node("MatMul", [a, b], operator)


def _blocks(kind: str) -> Translation:
    def translate(builder: NetworkBuilder, operator: TfliteOperator) -> None:
        builder.image_node(kind, builder.inputs(operator)[0], [], operator, blocksize=operator.option("BlockSize", 1))

    return translate


def _identity(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    """QUANTIZE and DEQUANTIZE: float tensors outside the model stand for the INT8 ones beside them."""
    x, y = builder.inputs(operator)[0], builder.names[operator.outputs[0]]
    known = builder.network.quantization
    if x in known and y not in known:
        known[y] = known[x]
    elif y in known and x not in known:
        known[x] = known[y]
    builder.node("Reshape" if known.get(x) == known.get(y) else "Identity", [x], operator)


def _gelu(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    approximate = "tanh" if operator.option("Approximate", False) else "none"
    builder.node("Gelu", builder.inputs(operator), operator, approximate=approximate)


def _leaky_relu(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    builder.node("LeakyRelu", builder.inputs(operator), operator, alpha=operator.option("Alpha", 0.0))


TRANSLATIONS: Mapping[str, Translation] = {
    "ABS": _elementwise("Abs"),
    "ADD": _elementwise("Add"),
    "AVERAGE_POOL_2D": _pool("AveragePool"),
    "BATCH_MATMUL": _batch_matmul,
    "CEIL": _elementwise("Ceil"),
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "COS": _elementwise("Cos"),
    "DEPTHWISE_CONV_2D": _depthwise,
    "DEPTH_TO_SPACE": _blocks("DepthToSpace"),
    "DEQUANTIZE": _identity,
    "DIV": _elementwise("Div"),
    "ELU": _elementwise("Elu"),
    "EXP": _elementwise("Exp"),
    "EXPAND_DIMS": _view("Reshape"),
    "FLOOR": _elementwise("Floor"),
    "FULLY_CONNECTED": _fully_connected,
    "GATHER": _gather,
    "GELU": _gelu,
    "HARD_SWISH": _elementwise("HardSwish"),
    "LEAKY_RELU": _leaky_relu,
    "LOG": _elementwise("Log"),
    "LOGISTIC": _elementwise("Sigmoid"),
    "MAXIMUM": _elementwise("Max"),
    "MAX_POOL_2D": _pool("MaxPool"),
    "MEAN": _mean,
    "MINIMUM": _elementwise("Min"),
    "MUL": _elementwise("Mul"),
    "NEG": _elementwise("Neg"),
    "PAD": _pad,
    "PADV2": _pad,
    "POW": _elementwise("Pow"),
    "PRELU": _elementwise("PRelu"),
    "QUANTIZE": _identity,
    "RELU": _elementwise("Relu"),
    "RELU6": _elementwise("Clip", min=0.0, max=6.0),
    "RELU_N1_TO_1": _elementwise("Clip", min=-1.0, max=1.0),
    "RESHAPE": _view("Reshape"),
    "ROUND": _elementwise("Round"),
    "RSQRT": _elementwise("Rsqrt"),
    "SIN": _elementwise("Sin"),
    "SLICE": _slice,
    "SOFTMAX": _softmax,
    "SPACE_TO_DEPTH": _blocks("SpaceToDepth"),
    "SPLIT": _split,
    "SPLIT_V": _split,
    "SQRT": _elementwise("Sqrt"),
    "SQUARE": _elementwise("Square"),
    "SQUEEZE": _view("Reshape"),
    "STRIDED_SLICE": _strided_slice,
    "SUB": _elementwise("Sub"),
    "TANH": _elementwise("Tanh"),
    "TRANSPOSE": _transpose,
}
"""By the name of the builtin operator."""
