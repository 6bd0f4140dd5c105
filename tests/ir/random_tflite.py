# SPDX-License-Identifier: Apache-2.0
"""Random TensorFlow Lite models of one operator, with random shapes, fields and quantizations.

Each function takes a generator and returns what the NumPy reference and LiteRT's reference kernels compute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert import interpreter
from numpy.typing import NDArray

from tests.ir.tflite_models import SAME, VALID, TfliteModel
from tinyformer.ir.reference import execute_all
from tinyformer.ir.tflite_import import import_tflite

Array = NDArray[np.float64]
Result = tuple[Array, Array]
Rng = np.random.Generator

RUNTIME_ERRORS = (RuntimeError,)
"""What LiteRT raises on models that it does not run."""

_IMAGES = 6


def _pick(rng: Rng, *options: Any) -> Any:
    return options[int(rng.integers(len(options)))]


def _scale(rng: Rng) -> float:
    return float(np.float32(np.exp(rng.uniform(np.log(0.004), np.log(0.1)))))


def _zero(rng: Rng) -> int:
    return int(_pick(rng, -128, 0, int(rng.integers(-128, 128))))


def _model(rng: Rng, shape: tuple[int, ...]) -> TfliteModel:
    m = TfliteModel(shape, seed=int(rng.integers(2**31)), scale=_scale(rng), zero_point=_zero(rng))
    m.images = m.rng.integers(-128, 128, (_IMAGES, *shape[1:])).astype(np.int8)
    return m


def _image(rng: Rng, channels: int | None = None) -> TfliteModel:
    return _model(rng, (1, *(int(n) for n in rng.integers(3, 10, 2)), channels or int(rng.integers(1, 9))))


def _any(rng: Rng) -> TfliteModel:
    return _model(rng, (1, *(int(n) for n in rng.integers(1, 9, int(rng.integers(1, 4))))))


def _quantization(m: TfliteModel) -> tuple[float, int]:
    quantization = m.tensors[m.input].quantization
    return quantization.scale[0], quantization.zeroPoint[0]


def _compared(m: TfliteModel, y: int, *, reference: bool = True) -> Result:
    content = m.content(y)
    kinds = interpreter.OpResolverType
    kind = kinds.BUILTIN_REF if reference else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    runner = interpreter.Interpreter(model_content=content, experimental_op_resolver_type=kind)
    runner.allocate_tensors()
    source, result = runner.get_input_details()[0]["index"], runner.get_output_details()[0]["index"]
    theirs = []
    for image in m.images:
        runner.set_tensor(source, image[None])
        runner.invoke()
        theirs.append(runner.get_tensor(result).reshape(-1))
    graph = import_tflite(content)
    mine = execute_all(graph, m.images[:, None])[graph.outputs[0]]
    return mine.reshape(len(mine), -1).astype(np.float64), np.stack(theirs).astype(np.float64)


def _sizes(m: TfliteModel, x: int, kernel: list[int], strides: list[int], padding: int) -> list[int]:
    _, *image, _ = m.tensors[x].shape
    if padding == SAME:
        return [-(-n // s) for n, s in zip(image, strides, strict=True)]
    return [max(0, (n - k) // s + 1) for n, k, s in zip(image, kernel, strides, strict=True)]


def _weights(m: TfliteModel, shape: tuple[int, ...], axis: int, x: int) -> tuple[list[int], float]:
    """Weights and bias, and the scale that spreads the results over INT8."""
    w, bias = m.weights(shape, axis, x)
    taps = int(np.prod(shape)) // shape[axis]
    return [w, bias], float(m.scale(x) * 0.0025 * 74 * 74 * np.sqrt(taps) / 40)


def convolution(rng: Rng) -> Result:
    groups = _pick(rng, 1, 1, 1, 2)
    inputs, outputs = groups * int(rng.integers(1, 6)), groups * int(rng.integers(1, 6))
    m = _image(rng, inputs)
    kernel, strides = ([int(n) for n in rng.integers(1, 4, 2)] for _ in range(2))
    padding = _pick(rng, SAME, VALID)
    operands, scale = _weights(m, (outputs, *kernel, inputs // groups), 0, m.input)
    y = m.operator(
        "CONV_2D", [m.input, *operands], (1, *_sizes(m, m.input, kernel, strides, padding), outputs), scale, _zero(rng),
        options="Conv2DOptions", padding=padding, strideH=strides[0], strideW=strides[1],
        fusedActivationFunction=int(rng.integers(4)),
    )  # fmt: skip
    return _compared(m, y)


def depthwise(rng: Rng) -> Result:
    channels, multiplier = int(rng.integers(1, 7)), _pick(rng, 1, 1, 2)
    m = _image(rng, channels)
    kernel = [int(n) for n in rng.integers(1, 4, 2)]
    stride, padding = int(rng.integers(1, 3)), _pick(rng, SAME, VALID)
    outputs = channels * multiplier
    operands, scale = _weights(m, (1, *kernel, outputs), 3, m.input)
    shape = (1, *_sizes(m, m.input, kernel, [stride, stride], padding), outputs)
    y = m.operator(
        "DEPTHWISE_CONV_2D", [m.input, *operands], shape, scale, _zero(rng), options="DepthwiseConv2DOptions",
        padding=padding, strideH=stride, strideW=stride, depthMultiplier=multiplier,
        fusedActivationFunction=int(rng.integers(4)),
    )  # fmt: skip
    return _compared(m, y)


def transposed_convolution(rng: Rng) -> Result:
    inputs, outputs = (int(n) for n in rng.integers(1, 6, 2))
    m = _image(rng, inputs)
    kernel, strides = ([int(n) for n in rng.integers(1, 4, 2)] for _ in range(2))
    padding = _pick(rng, SAME, VALID)
    image = m.shape[1:3]
    size = [n * s if padding == SAME else (n - 1) * s + k for n, s, k in zip(image, strides, kernel, strict=True)]
    operands, scale = _weights(m, (outputs, *kernel, inputs), 0, m.input)
    shape = (1, *size, outputs)
    y = m.operator(
        "TRANSPOSE_CONV", [m.constant(list(shape)), operands[0], m.input, operands[1]], shape, scale, _zero(rng),
        options="TransposeConvOptions", padding=padding, strideH=strides[0], strideW=strides[1],
    )  # fmt: skip
    m.codes[-1].version = 3
    return _compared(m, y)


def fully_connected(rng: Rng) -> Result:
    inputs, outputs = (int(n) for n in rng.integers(1, 40, 2))
    m = _model(rng, (1, inputs))
    operands, scale = _weights(m, (outputs, inputs), 0, m.input)
    y = m.operator(
        "FULLY_CONNECTED", [m.input, *operands], (1, outputs), scale, _zero(rng), options="FullyConnectedOptions",
        fusedActivationFunction=int(rng.integers(4)),
    )  # fmt: skip
    return _compared(m, y)


def batch_matmul(rng: Rng) -> Result:
    rows, width = (int(n) for n in rng.integers(1, 9, 2))
    m = _model(rng, (1, 2, rows, width))
    scale = m.scale(m.input) ** 2 * 74 * 74 * float(np.sqrt(width)) / 40
    y = m.operator(
        "BATCH_MATMUL", [m.input, m.input], (1, 2, rows, rows), scale, _zero(rng), options="BatchMatMulOptions",
        adjX=False, adjY=True,
    )  # fmt: skip
    return _compared(m, y)


def pooling(rng: Rng) -> Result:
    m = _image(rng)
    kernel = [int(rng.integers(1, min(n, 4) + 1)) for n in m.shape[1:3]]
    strides, padding = [int(n) for n in rng.integers(1, 4, 2)], _pick(rng, SAME, VALID)
    shape = (1, *_sizes(m, m.input, kernel, strides, padding), m.shape[3])
    y = m.operator(
        _pick(rng, "AVERAGE_POOL_2D", "MAX_POOL_2D"), [m.input], shape, *_quantization(m), options="Pool2DOptions",
        padding=padding, strideH=strides[0], strideW=strides[1], filterHeight=kernel[0], filterWidth=kernel[1],
        fusedActivationFunction=int(rng.integers(4)),
    )  # fmt: skip
    return _compared(m, y)


def _reduced(rng: Rng, kind: str, quantization: Callable[[TfliteModel, int], tuple[float, int]]) -> Result:
    m = _any(rng)
    rank = len(m.shape)
    axes = sorted(int(a) for a in rng.choice(np.arange(1, rank), int(rng.integers(1, rank)), False))
    keep = bool(rng.integers(2))
    shape = tuple(1 if i in axes else n for i, n in enumerate(m.shape) if keep or i not in axes)
    cells = int(np.prod([m.shape[axis] for axis in axes]))
    y = m.operator(
        kind, [m.input, m.constant(axes)], shape, *quantization(m, cells), options="ReducerOptions", keepDims=keep
    )
    return _compared(m, y, reference=kind != "SUM")  # LiteRT's reference kernel of SUM gives noise


def mean(rng: Rng) -> Result:
    return _reduced(rng, "MEAN", lambda m, cells: _quantization(m))


def mean_on_another_scale(rng: Rng) -> Result:
    return _reduced(rng, "MEAN", lambda m, cells: (m.scale(m.input) * float(rng.uniform(0.3, 1.1)), _zero(rng)))


def total(rng: Rng) -> Result:
    return _reduced(rng, "SUM", lambda m, cells: (m.scale(m.input) * float(rng.uniform(0.3, 1)) * cells, _zero(rng)))


def extremes(rng: Rng) -> Result:
    return _reduced(rng, _pick(rng, "REDUCE_MAX", "REDUCE_MIN"), lambda m, cells: _quantization(m))


def softmax(rng: Rng) -> Result:
    m = _any(rng)
    beta = float(_pick(rng, 1.0, 1.0, 0.5, 2.0))
    y = m.operator("SOFTMAX", [m.input], m.shape, 1 / 256, -128, options="SoftmaxOptions", beta=beta)
    return _compared(m, y)


def _second(m: TfliteModel, rng: Rng) -> int:
    """Another operand: the input moved and scaled."""
    return m.operator("TANH", [m.input], m.shape, 1 / 128, 0)


def sums(rng: Rng) -> Result:
    m = _any(rng)
    kind = _pick(rng, "ADD", "SUB")
    other = _second(m, rng)
    scale = float(np.float32(m.scale(m.input) * rng.uniform(0.7, 2)))
    y = m.operator(
        kind, [m.input, other], m.shape, scale, _zero(rng), options=f"{kind.title()}Options",
        fusedActivationFunction=int(rng.integers(4)),
    )  # fmt: skip
    return _compared(m, y)


def products(rng: Rng) -> Result:
    m = _any(rng)
    scale = float(np.float32(m.scale(m.input) * rng.uniform(0.4, 1)))
    y = m.operator(
        "MUL", [m.input, _second(m, rng)], m.shape, scale, _zero(rng), options="MulOptions",
        fusedActivationFunction=int(rng.integers(4)),
    )  # fmt: skip
    return _compared(m, y)


def larger_and_smaller(rng: Rng) -> Result:
    m = _any(rng)
    other = m.operator("REVERSE_V2", [m.input, m.constant([len(m.shape) - 1])], m.shape, *_quantization(m))
    y = m.operator(_pick(rng, "MAXIMUM", "MINIMUM"), [m.input, other], m.shape, *_quantization(m))
    return _compared(m, y)


def requantization(rng: Rng) -> Result:
    m = _any(rng)
    return _compared(m, m.operator("QUANTIZE", [m.input], m.shape, _scale(rng), _zero(rng)))


def _function(kind: str, scale: Any = None, zero: Any = None, **fields: Any) -> Callable[[Rng], Result]:
    def build(rng: Rng) -> Result:
        m = _any(rng)
        own = float(np.float32(m.scale(m.input) * rng.uniform(0.5, 1.2)))
        y = m.operator(
            kind, [m.input], m.shape, own if scale is None else scale, _zero(rng) if zero is None else zero, **fields
        )
        return _compared(m, y)

    return build


def leaky_relu(rng: Rng) -> Result:
    return _function("LEAKY_RELU", options="LeakyReluOptions", alpha=float(rng.uniform(0.01, 0.9)))(rng)


def prelu(rng: Rng) -> Result:
    m = _image(rng)
    integers = rng.integers(-128, 128, (1, 1, m.shape[3])).astype(np.int8)
    slopes = m.tensor(integers.shape, np.int8, 0.01, int(rng.integers(-20, 20)), value=integers)
    own = float(np.float32(m.scale(m.input) * rng.uniform(0.7, 1.5)))
    return _compared(m, m.operator("PRELU", [m.input, slopes], m.shape, own, _zero(rng)))


def gelu(rng: Rng) -> Result:
    return _function("GELU", options="GeluOptions", approximate=bool(rng.integers(2)))(rng)


def concatenation(rng: Rng) -> Result:
    m = _any(rng)
    axis = int(rng.integers(1, len(m.shape)))
    other = m.operator("REVERSE_V2", [m.input, m.constant([len(m.shape) - 1])], m.shape, *_quantization(m))
    shape = tuple(2 * n if i == axis else n for i, n in enumerate(m.shape))
    y = m.operator(
        "CONCATENATION", [m.input, other], shape, *_quantization(m), options="ConcatenationOptions", axis=axis
    )
    return _compared(m, y)


def padding(rng: Rng) -> Result:
    m = _any(rng)
    kind = _pick(rng, "PAD", "MIRROR_PAD")
    mode = int(rng.integers(2))
    limits = [3 if kind == "PAD" else n - 1 + mode for n in m.shape]
    widths = [[0, 0], *([int(rng.integers(0, limit + 1)) for _ in range(2)] for limit in limits[1:])]
    shape = tuple(n + a + b for n, (a, b) in zip(m.shape, widths, strict=True))
    fields = {"options": "MirrorPadOptions", "mode": mode} if kind == "MIRROR_PAD" else {}
    return _compared(m, m.operator(kind, [m.input, m.constant(widths)], shape, *_quantization(m), **fields))


def cut(rng: Rng) -> Result:
    m = _any(rng)
    steps = [1] + [int(_pick(rng, 1, 2, 3, -1, -2)) for _ in m.shape[1:]]
    begin = [int(rng.integers(0, n)) for n in m.shape]
    end = [int(rng.integers(b + 1, n + 1)) if s > 0 else -n - 1 for b, n, s in zip(begin, m.shape, steps, strict=True)]
    shape = np.zeros(m.shape)[tuple(slice(*bounds) for bounds in zip(begin, end, steps, strict=True))].shape
    operands = [m.constant(values) for values in (begin, end, steps)]
    y = m.operator("STRIDED_SLICE", [m.input, *operands], shape, *_quantization(m), options="StridedSliceOptions")
    return _compared(m, y)


def gather(rng: Rng) -> Result:
    m = _any(rng)
    axis = int(rng.integers(1, len(m.shape)))
    indices = rng.integers(0, m.shape[axis], 3)
    shape = tuple(3 if i == axis else n for i, n in enumerate(m.shape))
    y = m.operator(
        "GATHER", [m.input, m.constant(indices)], shape, *_quantization(m), options="GatherOptions", axis=axis
    )
    return _compared(m, y)


def repetition(rng: Rng) -> Result:
    m = _any(rng)
    repeats = [1] + [int(n) for n in rng.integers(1, 4, len(m.shape) - 1)]
    shape = tuple(n * k for n, k in zip(m.shape, repeats, strict=True))
    return _compared(m, m.operator("TILE", [m.input, m.constant(repeats)], shape, *_quantization(m)))


def _resized(kind: str, options: str) -> Callable[[Rng], Result]:
    def build(rng: Rng) -> Result:
        m = _image(rng)
        size = [int(n) for n in rng.integers(2, 17, 2)]
        fields = _pick(rng, {}, {"alignCorners": True}, {"halfPixelCenters": True})
        shape = (1, *size, m.shape[3])
        y = m.operator(kind, [m.input, m.constant(size)], shape, *_quantization(m), options=options, **fields)
        return _compared(m, y)

    return build


def transposition(rng: Rng) -> Result:
    m = _any(rng)
    axes = [0, *(int(a) + 1 for a in rng.permutation(len(m.shape) - 1))]
    shape = tuple(m.shape[axis] for axis in axes)
    return _compared(m, m.operator("TRANSPOSE", [m.input, m.constant(axes)], shape, *_quantization(m)))


def blocks(rng: Rng) -> Result:
    kind = _pick(rng, "DEPTH_TO_SPACE", "SPACE_TO_DEPTH")
    if kind == "DEPTH_TO_SPACE":
        m = _image(rng, 4 * int(rng.integers(1, 4)))
        _, h, w, c = m.shape
        shape = (1, 2 * h, 2 * w, c // 4)
    else:
        m = _model(rng, (1, 2 * int(rng.integers(1, 5)), 2 * int(rng.integers(1, 5)), 3))
        _, h, w, c = m.shape
        shape = (1, h // 2, w // 2, 4 * c)
    options = "DepthToSpaceOptions" if kind == "DEPTH_TO_SPACE" else "SpaceToDepthOptions"
    y = m.operator(kind, [m.input], shape, *_quantization(m), options=options, blockSize=2)
    m.codes[-1].version = 1
    return _compared(m, y)


MODELS: dict[str, Callable[[Rng], Result]] = {
    **{
        function.__name__: function
        for function in (
            convolution, depthwise, transposed_convolution, fully_connected, batch_matmul, pooling, mean,
            mean_on_another_scale, total, extremes, softmax, sums, products, larger_and_smaller, requantization,
            leaky_relu, prelu, gelu, concatenation, padding, cut, gather, repetition, transposition, blocks,
        )
    },
    "resize_nearest": _resized("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions"),
    "resize_bilinear": _resized("RESIZE_BILINEAR", "ResizeBilinearOptions"),
    "logistic": _function("LOGISTIC", 1 / 256, -128),
    "tanh": _function("TANH", 1 / 128, 0),
    "hard_swish": _function("HARD_SWISH"),
    "relu": _function("RELU"),
    "relu6": _function("RELU6"),
    "exp": _function("EXP"),
    "abs": _function("ABS"),
}  # fmt: skip
"""By name."""

WITHIN_ONE_STEP = {
    "batch_matmul", "convolution", "depthwise", "fully_connected", "prelu", "products", "softmax", "sums", "total",
    "transposed_convolution",
}  # fmt: skip
"""Operators that docs/model_import.md says may be one step off."""
