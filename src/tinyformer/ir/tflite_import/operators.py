"""What each TensorFlow Lite operator is in the operators of a network: one small function per family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import tflite

from tinyformer.ir.lowering.network import Node
from tinyformer.ir.tflite_import.reading import TfliteOperator

if TYPE_CHECKING:
    from tinyformer.ir.tflite_import.translation import Translator

Translation: TypeAlias = "Callable[[Translator, TfliteOperator], None]"


def _padding(operator: TfliteOperator) -> str:
    return "SAME_UPPER" if operator.option("Padding", 0) == tflite.Padding.SAME else "VALID"


def _strides(operator: TfliteOperator) -> list[int]:
    return [operator.option("StrideH", 1), operator.option("StrideW", 1)]


def _convolution(t: Translator, operator: TfliteOperator) -> None:
    """Weights (O, H, W, I) -> (O, I, H, W)."""
    x, w, *bias = t.inputs(operator)
    weights = t.network.constants.get(w)
    name = f"{t.names[operator.outputs[0]]}/weights"
    if weights is not None:
        scale = (
            None
            if weights.scale is None
            else np.broadcast_to(weights.scale, weights.values.shape).transpose(0, 3, 1, 2)
        )
        w = t.constant(name, weights.values.transpose(0, 3, 1, 2), scale)
    groups = t.shape(x)[3] // t.shape(w)[1]
    t.image_node("Conv", x, [w, *bias], operator, **_window(operator), group=groups)


def _depthwise(t: Translator, operator: TfliteOperator) -> None:
    """Weights (1, H, W, C * multiplier) -> (C * multiplier, 1, H, W)."""
    x, w, *bias = t.inputs(operator)
    weights = t.network.constants.get(w)
    name = f"{t.names[operator.outputs[0]]}/weights"
    if weights is not None:
        scale = (
            None
            if weights.scale is None
            else np.broadcast_to(weights.scale, weights.values.shape).transpose(3, 0, 1, 2)
        )
        w = t.constant(name, weights.values.transpose(3, 0, 1, 2), scale)
    t.image_node("Conv", x, [w, *bias], operator, **_window(operator), group=t.shape(x)[3])


def _window(operator: TfliteOperator) -> dict[str, Any]:
    dilations = [operator.option("DilationHFactor", 1), operator.option("DilationWFactor", 1)]
    return {"strides": _strides(operator), "dilations": dilations, "auto_pad": _padding(operator)}


def _fully_connected(t: Translator, operator: TfliteOperator) -> None:
    """Rows of whatever the input holds times (O, I) transposed."""
    x, w, *bias = t.inputs(operator)
    inputs = t.shape(w)[-1]
    result = t.names[operator.outputs[0]]
    shape = t.shape(result)
    rows = (*shape[:-1], inputs)
    if t.shape(x) != rows:
        x = t.reshaped(x, rows, f"{result}/rows")
    t.node("Gemm", [x, w, *bias], operator, transB=1)


def _pool(kind: str) -> Translation:
    def translate(t: Translator, operator: TfliteOperator) -> None:
        kernel = [operator.option("FilterHeight", 1), operator.option("FilterWidth", 1)]
        window = {"kernel_shape": kernel, "strides": _strides(operator), "auto_pad": _padding(operator)}
        t.image_node(kind, t.inputs(operator)[0], [], operator, **window)

    return translate


def _elementwise(kind: str, **attributes: Any) -> Translation:
    def translate(t: Translator, operator: TfliteOperator) -> None:
        t.node(kind, t.inputs(operator), operator, **attributes)

    return translate


def _view(kind: str) -> Translation:
    """Operators whose parameters are the shape of the output."""

    def translate(t: Translator, operator: TfliteOperator) -> None:
        t.node(kind, t.inputs(operator)[:1], operator)

    return translate


def _transpose(t: Translator, operator: TfliteOperator) -> None:
    permutation = tuple(int(axis) for axis in t.value(operator, 1))
    t.node("Transpose", t.inputs(operator)[:1], operator, perm=permutation)


def _concatenation(t: Translator, operator: TfliteOperator) -> None:
    t.node("Concat", t.inputs(operator), operator, axis=operator.option("Axis", 0))


def _softmax(t: Translator, operator: TfliteOperator) -> None:
    beta = operator.option("Beta", 1.0)
    t.node("Softmax" if beta == 1.0 else f"SOFTMAX with beta {beta:g}", t.inputs(operator), operator, axis=-1)


def _mean(t: Translator, operator: TfliteOperator) -> None:
    axes = [int(axis) for axis in np.atleast_1d(t.value(operator, 1))]
    t.node("ReduceMean", t.inputs(operator)[:1], operator, axes=axes)


def _pad(t: Translator, operator: TfliteOperator) -> None:
    widths = t.value(operator, 1)
    result = t.names[operator.outputs[0]]
    pads = t.constant(f"{result}/pads", np.concatenate([widths[:, 0], widths[:, 1]]))
    names = t.inputs(operator)
    t.node("Pad", [names[0], pads, *names[2:3]], operator)


def _slice(t: Translator, operator: TfliteOperator) -> None:
    begin, size = (t.value(operator, i).astype(np.int64) for i in (1, 2))
    shape = np.array(t.shape(t.inputs(operator)[0]))
    _ranges(t, operator, begin, np.where(size < 0, shape, begin + size))


def _strided_slice(t: Translator, operator: TfliteOperator) -> None:
    begin, end, stride = (t.value(operator, i).astype(np.int64) for i in (1, 2, 3))
    shape = t.shape(t.inputs(operator)[0])
    for axis in range(len(begin)):
        if operator.option("BeginMask", 0) >> axis & 1:
            begin[axis] = 0
        if operator.option("EndMask", 0) >> axis & 1:
            end[axis] = shape[axis]
        if operator.option("ShrinkAxisMask", 0) >> axis & 1:
            begin[axis] %= shape[axis]
            end[axis] = begin[axis] + 1
    if operator.option("EllipsisMask", 0) or operator.option("NewAxisMask", 0):
        t.node("STRIDED_SLICE with an ellipsis or a new axis", t.inputs(operator)[:1], operator)
        return
    _ranges(t, operator, begin, end, stride)


def _ranges(t: Translator, operator: TfliteOperator, begin: Any, end: Any, stride: Any = None) -> None:
    """A Slice, and a Reshape where the result drops axes."""
    x = t.inputs(operator)[0]
    result = t.names[operator.outputs[0]]
    steps = np.ones_like(begin) if stride is None else stride
    parts = [("starts", begin), ("ends", end), ("axes", np.arange(len(begin))), ("steps", steps)]
    parameters = [t.constant(f"{result}/{name}", np.asarray(value, np.int64)) for name, value in parts]
    sizes = list(t.shape(x))
    for axis, (first, last) in enumerate(zip(begin, end, strict=True)):
        sizes[axis] = len(range(*slice(int(first), int(last)).indices(sizes[axis])))
    node = t.node("Slice", [x, *parameters], operator)
    if tuple(sizes) != t.shape(result):
        node.output = t.like(x, f"{result}/slice", tuple(sizes))
        t.network.nodes.append(Node("Reshape", f"{result}/reshape", [node.output], result))


def _split(t: Translator, operator: TfliteOperator) -> None:
    """SPLIT (axis, x) and SPLIT_V (x, sizes, axis): one Slice per output."""
    index = 1 if operator.kind == "SPLIT" else 0
    x = t.inputs(operator)[index]
    axis = int(t.value(operator, 0 if operator.kind == "SPLIT" else 2).reshape(-1)[0]) % len(t.shape(x))
    begin = 0
    for output in operator.outputs:
        end = begin + t.shape(t.names[output])[axis]
        part = TfliteOperator(operator.kind, operator.inputs, (output,), None)
        t.node("Slice", [x], part, axis=axis, begin=begin, end=end)
        begin = end


def _gather(t: Translator, operator: TfliteOperator) -> None:
    kind = "GATHER over batches" if operator.option("BatchDims", 0) else "Gather"
    t.node(kind, t.inputs(operator), operator, axis=operator.option("Axis", 0))


def _batch_matmul(t: Translator, operator: TfliteOperator) -> None:
    a, b = t.inputs(operator)
    result = t.names[operator.outputs[0]]
    for name, adjoint in (("AdjX", "a"), ("AdjY", "b")):
        if operator.option(name, False):
            rank = len(t.shape(a if adjoint == "a" else b))
            swapped = (*range(rank - 2), rank - 1, rank - 2)
            if adjoint == "a":
                a = t.transposed(a, swapped, f"{result}/a")
            else:
                b = t.transposed(b, swapped, f"{result}/b")
    t.node("MatMul", [a, b], operator)


def _blocks(kind: str) -> Translation:
    def translate(t: Translator, operator: TfliteOperator) -> None:
        t.image_node(kind, t.inputs(operator)[0], [], operator, blocksize=operator.option("BlockSize", 1))

    return translate


def _identity(t: Translator, operator: TfliteOperator) -> None:
    """QUANTIZE and DEQUANTIZE: float tensors outside the model stand for the INT8 ones beside them."""
    x, y = t.inputs(operator)[0], t.names[operator.outputs[0]]
    known = t.network.quantization
    if x in known and y not in known:
        known[y] = known[x]
    elif y in known and x not in known:
        known[x] = known[y]
    t.node("Reshape" if known.get(x) == known.get(y) else "Identity", [x], operator)


def _gelu(t: Translator, operator: TfliteOperator) -> None:
    approximate = "tanh" if operator.option("Approximate", False) else "none"
    t.node("Gelu", t.inputs(operator), operator, approximate=approximate)


def _leaky_relu(t: Translator, operator: TfliteOperator) -> None:
    t.node("LeakyRelu", t.inputs(operator), operator, alpha=operator.option("Alpha", 0.0))


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
