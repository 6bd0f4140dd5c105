# SPDX-License-Identifier: Apache-2.0
"""What each TensorFlow Lite operator is in the operators of a network: one small function per family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import tflite
from numpy.typing import NDArray

from tinyformer.ir.base import Int8Array
from tinyformer.ir.lowering.network import Node
from tinyformer.ir.lowering.table import OPERATORS
from tinyformer.ir.quantization import Quantization
from tinyformer.ir.tflite_import import fixed_point
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
    groups = builder.shape(x)[-1] // max(1, builder.shape(w)[1])
    builder.image_node("Conv", x, [w, *bias], operator, **_window(operator), group=groups)


def _depthwise(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    """Weights (1, H, W, C * multiplier) -> (C * multiplier, 1, H, W)."""
    x, w, *bias = builder.inputs(operator)
    operator.read.add("DepthMultiplier")  # the weights' shape says it
    w = _with_axes(builder, operator, w, (3, 0, 1, 2))
    builder.image_node("Conv", x, [w, *bias], operator, **_window(operator), group=builder.shape(x)[-1])


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
    if operator.dilated is not None:
        pads = [*operator.dilated.before, *operator.dilated.after]
        return {"dilations": list(operator.dilated.dilations), "pads": pads}
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
    builder.node("Softmax", builder.inputs(operator), operator, axis=-1, beta=beta)


def _reduction(kind: str) -> Translation:
    def translate(builder: NetworkBuilder, operator: TfliteOperator) -> None:
        axes = [int(axis) for axis in np.atleast_1d(builder.value(operator, 1))]
        operator.read.add("KeepDims")  # the output's shape says it
        x, y = builder.inputs(operator)[0], builder.names[operator.outputs[0]]
        node = builder.node(kind, [x], operator, axes=axes)
        known = builder.network.quantization
        if kind == "ReduceMean" and x in known and y in known:
            cells = int(np.prod([builder.shape(x)[axis] for axis in axes]))
            node.attributes["fixed_point"] = fixed_point.mean_multiplier(known[x].scale / known[y].scale, cells)

    return translate


def _mirror_pad(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    widths = builder.value(operator, 1)
    pads = np.concatenate([widths[:, 0], widths[:, 1]])
    name = builder.constant(f"{builder.names[operator.outputs[0]]}/pads", pads)
    mode = "symmetric" if operator.option("Mode", 0) else "reflect"
    builder.node("Pad", [builder.inputs(operator)[0], name], operator, mode=mode)


def _reverse(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    axes = np.atleast_1d(builder.value(operator, 1)).astype(np.int64)
    lowest = np.full(len(axes), -(2**31))
    parts = [("starts", np.full(len(axes), -1)), ("ends", lowest), ("axes", axes), ("steps", np.full(len(axes), -1))]
    result = builder.names[operator.outputs[0]]
    parameters = [builder.constant(f"{result}/{name}", value) for name, value in parts]
    builder.node("Slice", [builder.inputs(operator)[0], *parameters], operator)


def _parameters(kind: str) -> Translation:
    """Operators whose further inputs are those of ONNX."""

    def translate(builder: NetworkBuilder, operator: TfliteOperator) -> None:
        builder.value(operator, 1)
        builder.node(kind, builder.inputs(operator)[:2], operator)

    return translate


def _resize(mode: str) -> Translation:
    """The reference kernels of TensorFlow Lite: cells by floor, or rounded where centres or corners are aligned."""

    def translate(builder: NetworkBuilder, operator: TfliteOperator) -> None:
        corners, centres = operator.option("AlignCorners", False), operator.option("HalfPixelCenters", False)
        coordinates = "align_corners" if corners else "half_pixel" if centres else "asymmetric"
        if mode == "nearest" and centres:
            coordinates = "tf_half_pixel_for_nn"
        rounding = "round_prefer_ceil" if corners else "floor"
        places = [_places(builder, operator, axis, corners, centres) for axis in (1, 2)]
        given = {"places": places} if mode == "linear" else {}
        builder.image_node(
            "Resize", builder.inputs(operator)[0], [], operator, mode=mode,
            coordinate_transformation_mode=coordinates, nearest_mode=rounding, **given,
        )  # fmt: skip

    return translate


def _places(
    builder: NetworkBuilder, operator: TfliteOperator, axis: int, corners: bool, centres: bool
) -> NDArray[np.float64]:
    """Places of interpolated cells with LiteRT's 10 fractional bits."""
    before, after = (
        builder.shape(name)[axis] for name in (builder.inputs(operator)[0], builder.names[operator.outputs[0]])
    )
    if corners and after > 1:
        scale = (1024 * (before - 1) + (after - 1) // 2) // (after - 1)
    else:
        scale = (1024 * before + after // 2) // after
    offset = scale // 2 - 512 if centres else 0
    return (np.arange(after) * scale + offset) / 1024


def _transpose_convolution(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    """Inputs (output shape, weights, x, bias); weights (O, H, W, I) -> (I, O, H, W)."""
    _, w, x, *bias = builder.inputs(operator)
    w = _with_axes(builder, operator, w, (3, 0, 1, 2))
    padding = {"auto_pad": _padding(operator), "strides": _strides(operator)}
    builder.image_node("ConvTranspose", x, [w, *bias], operator, **padding)


def _pack(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    """Tensors joined along a new axis."""
    result = builder.names[operator.outputs[0]]
    shape = builder.shape(result)
    axis = operator.option("Axis", 0) % len(shape)
    part = tuple(1 if i == axis else size for i, size in enumerate(shape))
    inputs = [builder.reshaped(x, part, f"{result}/{i}") for i, x in enumerate(builder.inputs(operator))]
    builder.node("Concat", inputs, operator, axis=axis)


def _unpack(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    """One Gather an output."""
    x = builder.inputs(operator)[0]
    axis = operator.option("Axis", 0) % len(builder.shape(x))
    operator.read.add("Num")
    for i, output in enumerate(operator.outputs):
        index = builder.constant(f"{builder.names[output]}/index", np.array(i))
        part = TfliteOperator(operator.kind, operator.inputs, (output,), None)
        builder.node("Gather", [x, index], part, axis=axis)


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
        forwards = stride[axis] > 0
        if operator.option("BeginMask", 0) >> axis & 1:
            begin[axis] = 0 if forwards else shape[axis] - 1
        if operator.option("EndMask", 0) >> axis & 1:
            end[axis] = shape[axis] if forwards else -(2**31)
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
        sizes[axis] = len(range(*slice(int(first), int(last), int(steps[axis])).indices(sizes[axis])))
    node = builder.node("Slice", [x, *parameters], operator)
    if tuple(sizes) != builder.shape(result):
        node.output = builder.like(x, f"{result}/slice", tuple(sizes))
        builder.network.nodes.append(Node("Reshape", f"{result}/reshape", [node.output], result))


def _split(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    """SPLIT (axis, x) and SPLIT_V (x, sizes, axis): one Slice per output."""
    index = 1 if operator.kind == "SPLIT" else 0
    operator.read.add("NumSplits")
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
    if known.get(x) == known.get(y):
        builder.node("Reshape", [x], operator)
    else:
        builder.node("Table", [x], operator, table=fixed_point.requantized(known[x], known[y]))


def _tabled(function: Callable[[TfliteOperator, Quantization, Quantization], Int8Array]) -> Translation:
    """Functions that TensorFlow Lite computes in integers: exactly these, as a table."""

    def translate(builder: NetworkBuilder, operator: TfliteOperator) -> None:
        x, y = builder.inputs(operator)[0], builder.names[operator.outputs[0]]
        known = builder.network.quantization
        builder.node("Table", [x], operator, table=function(operator, known[x], known[y]))

    return translate


def _leaky(operator: TfliteOperator, x: Quantization, y: Quantization) -> Int8Array:
    return fixed_point.leaky_relu(x, y, operator.option("Alpha", 0.0))


def _gelu(builder: NetworkBuilder, operator: TfliteOperator) -> None:
    approximate = "tanh" if operator.option("Approximate", False) else "none"
    builder.node("Gelu", builder.inputs(operator), operator, approximate=approximate)


SPECIAL: Mapping[str, Translation] = {
    "AVERAGE_POOL_2D": _pool("AveragePool"),
    "BATCH_MATMUL": _batch_matmul,
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DEPTH_TO_SPACE": _blocks("DepthToSpace"),
    "DEQUANTIZE": _identity,
    "EXPAND_DIMS": _view("Reshape"),
    "FULLY_CONNECTED": _fully_connected,
    "GATHER": _gather,
    "GELU": _gelu,
    "HARD_SWISH": _tabled(lambda operator, x, y: fixed_point.hard_swish(x, y)),
    "LEAKY_RELU": _tabled(_leaky),
    "MAX_POOL_2D": _pool("MaxPool"),
    "MEAN": _reduction("ReduceMean"),
    "MIRROR_PAD": _mirror_pad,
    "PACK": _pack,
    "PAD": _pad,
    "PADV2": _pad,
    "QUANTIZE": _identity,
    "RELU6": _elementwise("Clip", min=0.0, max=6.0),
    "RELU_N1_TO_1": _elementwise("Clip", min=-1.0, max=1.0),
    "BROADCAST_TO": _parameters("Expand"),
    "REDUCE_MAX": _reduction("ReduceMax"),
    "REDUCE_MIN": _reduction("ReduceMin"),
    "RESHAPE": _view("Reshape"),
    "RESIZE_BILINEAR": _resize("linear"),
    "RESIZE_NEAREST_NEIGHBOR": _resize("nearest"),
    "REVERSE_V2": _reverse,
    "SLICE": _slice,
    "SOFTMAX": _softmax,
    "SPACE_TO_DEPTH": _blocks("SpaceToDepth"),
    "SPLIT": _split,
    "SPLIT_V": _split,
    "SQUEEZE": _view("Reshape"),
    "STRIDED_SLICE": _strided_slice,
    "SUM": _reduction("ReduceSum"),
    "TILE": _parameters("Tile"),
    "TRANSPOSE": _transpose,
    "TRANSPOSE_CONV": _transpose_convolution,
    "UNPACK": _unpack,
}
"""Operators whose parameters are elsewhere than in ONNX."""

TRANSLATIONS: Mapping[str, Translation] = {
    name: SPECIAL.get(name, _elementwise(function.name)) for function in OPERATORS.values() for name in function.tflite
}
"""By the name of the builtin operator, as the table of operators has them."""
