# SPDX-License-Identifier: Apache-2.0
"""Random ONNX models of one operator, with random shapes, attributes, quantizations and operator sets.

Each function takes a generator and returns what the NumPy reference and onnxruntime compute, in steps of the output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime import capi

from tests.ir.qdq import QdqModel, run_onnx
from tinyformer.ir.lowering.table import OPERATORS
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.reference import execute_all

Array = NDArray[np.float64]
Result = tuple[Array, Array]
Rng = np.random.Generator

RUNTIME_ERRORS = (
    capi.onnxruntime_pybind11_state.RuntimeException,
    capi.onnxruntime_pybind11_state.InvalidArgument,
    capi.onnxruntime_pybind11_state.Fail,
)
"""What onnxruntime raises on models that it does not run, although the standard has them."""

_OPSETS = (13, 14, 15, 17, 18, 20, 21, 22)


def _pick(rng: Rng, *options: Any) -> Any:
    return options[int(rng.integers(len(options)))]


def _model(rng: Rng, shape: tuple[int, ...], opsets: tuple[int, ...] = _OPSETS) -> QdqModel:
    kind = _pick(rng, np.int8, np.uint8)
    return QdqModel(shape, kind=kind, seed=int(rng.integers(2**31)), opset=_pick(rng, *opsets))


def _image(rng: Rng, channels: int | None = None, opsets: tuple[int, ...] = _OPSETS) -> QdqModel:
    return _model(rng, (1, channels or int(rng.integers(1, 9)), *(int(n) for n in rng.integers(3, 10, 2))), opsets)


def _any(rng: Rng) -> QdqModel:
    rank = int(rng.integers(2, 5))
    return _model(rng, (1, *(int(n) for n in rng.integers(1, 9, rank - 1))))


def _compared(m: QdqModel, y: str) -> Result:
    """Reference and onnxruntime on the quantized ``y``, in steps of it."""
    model = m.model(y)
    graph = import_onnx(model)
    theirs = run_onnx(model, m.real_input)
    tensor = graph.tensors[graph.outputs[0]]
    axes = graph.axes[graph.input]
    mine = execute_all(graph, m.integers[:, None].transpose(0, *(axis + 1 for axis in axes)))[graph.outputs[0]]
    order = graph.axes[graph.outputs[0]]
    ordered = theirs.transpose(0, *(axis + 1 for axis in order))
    steps = np.clip(ordered / np.float32(tensor.scale) + tensor.zero_point, -128, 127)
    return mine.reshape(len(mine), -1).astype(np.float64), steps.reshape(len(steps), -1)


def _quantized(m: QdqModel, y: str, rng: Rng) -> str:
    """Over the whole range, or saturating at one that is narrower; sometimes on the input's own scale."""
    if rng.integers(4) == 0:
        return m.quantized(y, scale=m.input_scale, zero_point=m.input_zero_point)
    values = m.run(y, m.real_input)
    spread = float(_pick(rng, 1.0, 1.0, 0.6, 1.4))
    low, high = min(0.0, float(values.min())) * spread, max(1e-3, float(values.max())) * spread
    scale = float(np.float32((high - low) / 255))
    zero_point = round(-low / scale) - (0 if m.kind is np.uint8 else 128)
    limits = np.iinfo(m.kind)
    return m.quantized(y, scale=scale, zero_point=int(np.clip(zero_point, limits.min, limits.max)))


def convolution(rng: Rng) -> Result:
    groups = _pick(rng, 1, 1, 2, 3)
    inputs, outputs = groups * int(rng.integers(1, 5)), groups * int(rng.integers(1, 5))
    m = _image(rng, inputs)
    kernel = [int(n) for n in rng.integers(1, 4, 2)]
    automatic = _pick(rng, "", "", "SAME_UPPER", "SAME_LOWER", "VALID")
    dilations = [1, 1] if automatic.startswith("SAME") else [int(_pick(rng, 1, 1, 2)) for _ in range(2)]
    padding = {"auto_pad": automatic} if automatic else {"pads": [int(n) for n in rng.integers(1, 3, 4)]}
    if automatic == "VALID":
        dilations = [1, 1]
    weight = m.weight((outputs, inputs // groups, *kernel), _pick(rng, 0, None))
    operands = [m.input, weight] + ([m.random((outputs,), 0.3)] if rng.integers(2) else [])
    strides = [int(n) for n in rng.integers(1, 4, 2)]
    y = m.node("Conv", operands, group=groups, strides=strides, dilations=dilations, **padding)
    y = m.node("Relu", [y]) if rng.integers(3) == 0 else y
    return _compared(m, _quantized(m, y, rng))


def depthwise(rng: Rng) -> Result:
    channels, multiplier = int(rng.integers(2, 9)), _pick(rng, 1, 1, 2)
    m = _image(rng, channels)
    kernel = [int(n) for n in rng.integers(1, 4, 2)]
    weight = m.weight((channels * multiplier, 1, *kernel), _pick(rng, 0, None))
    pads = [int(n) for n in rng.integers(0, 2, 4)]
    return _compared(m, _quantized(m, m.node("Conv", [m.input, weight], group=channels, pads=pads), rng))


def sequence_convolution(rng: Rng) -> Result:
    inputs, outputs = (int(n) for n in rng.integers(1, 6, 2))
    m = _model(rng, (1, inputs, int(rng.integers(6, 20))))
    weight = m.weight((outputs, inputs, int(rng.integers(1, 5))), _pick(rng, 0, None))
    y = m.node(
        "Conv", [m.input, weight], strides=[int(rng.integers(1, 4))], pads=[int(n) for n in rng.integers(0, 3, 2)]
    )
    return _compared(m, _quantized(m, y, rng))


def transposed_convolution(rng: Rng) -> Result:
    groups = _pick(rng, 1, 1, 2)
    inputs, outputs = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    m = _image(rng, inputs)
    kernel = [int(n) for n in rng.integers(1, 5, 2)]
    weight = m.weight((inputs, outputs // groups, *kernel), 1 if groups == 1 and rng.integers(2) else None)
    strides = [int(n) for n in rng.integers(1, 4, 2)]
    padding = [int(rng.integers(0, k)) for k in kernel * 2]
    extra = [int(rng.integers(0, s)) for s in strides]
    operands = [m.input, weight] + ([m.random((outputs,), 0.3)] if rng.integers(2) else [])
    y = m.node("ConvTranspose", operands, group=groups, strides=strides, pads=padding, output_padding=extra)
    return _compared(m, _quantized(m, y, rng))


def gemm(rng: Rng) -> Result:
    inputs, outputs = (int(n) for n in rng.integers(1, 30, 2))
    m = _model(rng, (1, inputs))
    transposed = int(rng.integers(2))
    weight = m.weight((outputs, inputs) if transposed else (inputs, outputs), _pick(rng, None, 0 if transposed else 1))
    bias = [m.random((outputs,), 0.5)] if rng.integers(2) else []
    factors = {"alpha": float(rng.normal()), "beta": float(rng.normal())} if rng.integers(3) == 0 else {}
    return _compared(m, _quantized(m, m.node("Gemm", [m.input, weight, *bias], transB=transposed, **factors), rng))


def matrix_product(rng: Rng) -> Result:
    rows, inputs, outputs = (int(n) for n in rng.integers(1, 12, 3))
    m = _model(rng, _pick(rng, (1, rows, inputs), (1, 2, rows, inputs)))
    y = m.node("MatMul", [m.input, m.weight((inputs, outputs), _pick(rng, 1, None))])
    y = m.node("Add", [y, m.random((outputs,))]) if rng.integers(2) else y
    return _compared(m, _quantized(m, y, rng))


def product_of_activations(rng: Rng) -> Result:
    rows, width = (int(n) for n in rng.integers(1, 9, 2))
    m = _model(rng, _pick(rng, (1, rows, width), (1, 3, rows, width)))
    axes = list(range(len(m.shape)))
    other = m.operator("Transpose", [m.input], perm=[*axes[:-2], axes[-1], axes[-2]])
    y = m.node("MatMul", [m.input, other])
    y = m.node("Mul", [y, m.constant(np.array(0.35, np.float32))]) if rng.integers(2) else y
    return _compared(m, _quantized(m, y, rng))


def asymmetric_weights(rng: Rng) -> Result:
    inputs, outputs = (int(n) for n in rng.integers(1, 8, 2))
    m = _image(rng, inputs)
    parameters = [np.float32(rng.uniform(0.001, 0.01)), np.array(rng.integers(0, 256), np.uint8)]
    integers = rng.integers(0, 256, (outputs, inputs, 3, 3)).astype(np.uint8)
    weight = m.node("DequantizeLinear", [m.constant(integers), *(m.constant(np.asarray(p)) for p in parameters)])
    return _compared(m, _quantized(m, m.node("Conv", [m.input, weight], pads=[1] * 4), rng))


def pooling(rng: Rng) -> Result:
    m = _image(rng, opsets=(19, 20, 21, 22))
    kind = _pick(rng, "AveragePool", "MaxPool")
    kernel = [int(n) for n in rng.integers(1, 4, 2)]
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": [int(n) for n in rng.integers(1, 4, 2)]}
    style = _pick(rng, "pads", "pads", "auto", "ceil", "dilated")
    pads = [int(rng.integers(0, (k + 1) // 2)) for k in kernel * 2]
    if style == "auto":
        attributes["auto_pad"] = _pick(rng, "SAME_UPPER", "SAME_LOWER", "VALID")
    elif style == "dilated" and kind == "AveragePool":
        attributes["dilations"] = [int(n) for n in rng.integers(1, 3, 2)]
        attributes["kernel_shape"] = [min(k, 2) for k in kernel]
    else:
        attributes["pads"] = pads
    if style == "ceil":
        attributes["ceil_mode"] = 1
    if kind == "AveragePool":
        attributes["count_include_pad"] = int(rng.integers(2))
    return _compared(m, _quantized(m, m.node(kind, [m.input], **attributes), rng))


def global_pooling(rng: Rng) -> Result:
    m = _image(rng)
    return _compared(m, _quantized(m, m.node(_pick(rng, "GlobalAveragePool", "GlobalMaxPool"), [m.input]), rng))


def reduction(rng: Rng) -> Result:
    m = _any(rng)
    axes = sorted(int(a) for a in rng.choice(np.arange(1, len(m.shape)), int(rng.integers(1, len(m.shape))), False))
    kind = _pick(rng, "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin")
    keep = int(rng.integers(2))
    if m.opset >= 18 or kind == "ReduceSum":
        y = m.node(kind, [m.input, m.constant(np.array(axes))], keepdims=keep)
    else:
        y = m.node(kind, [m.input], axes=axes, keepdims=keep)
    return _compared(m, _quantized(m, y, rng))


def softmax(rng: Rng) -> Result:
    m = _any(rng)
    y = m.node("Softmax", [m.input], axis=int(rng.integers(1, len(m.shape))))
    scale = _pick(rng, 1 / 256, 1 / 255, 1 / 128, 0.01)
    return _compared(m, m.quantized(y, scale=scale, zero_point=0 if m.kind is np.uint8 else -128))


def layer_norm(rng: Rng) -> Result:
    rows, width = int(rng.integers(1, 6)), int(rng.integers(8, 40))
    m = _model(rng, (1, rows, width), (17, 18, 20, 21, 22))
    y = m.node("LayerNormalization", [m.input, m.random((width,)), m.random((width,))], axis=-1)
    return _compared(m, _quantized(m, y, rng))


def _other_shape(rng: Rng, shape: tuple[int, ...]) -> list[int]:
    """Axes along which a second operand is reduced."""
    return [axis for axis in range(1, len(shape)) if rng.integers(2)]


def binary(rng: Rng) -> Result:
    m = _any(rng)
    axes = _other_shape(rng, m.shape)
    other = m.operator("Tanh", [m.input])
    if axes:
        m.opset = max(m.opset, 18)
        other = m.operator("ReduceMean", [other, m.constant(np.array(axes))], keepdims=1)
    operands = [m.input, other] if rng.integers(2) else [other, m.input]
    kind = _pick(rng, "Add", "Sub", "Mul", "Div", "Max", "Min")
    if kind == "Div":  # by what stays away from 0
        operands = [m.input, m.operator("Exp", [other])]
    y = m.node(kind, operands)
    y = m.node("Relu", [y]) if rng.integers(4) == 0 else y
    return _compared(m, _quantized(m, y, rng))


def with_constant(rng: Rng) -> Result:
    m = _any(rng)
    shape = tuple(1 if rng.integers(2) else size for size in m.shape)
    constant = m.random(shape)
    kind = _pick(rng, "Add", "Sub", "Mul", "Div")
    operands = [m.input, constant] if kind == "Div" or rng.integers(2) else [constant, m.input]
    return _compared(m, _quantized(m, m.node(kind, operands), rng))


_UNARY = sorted(
    name
    for name, function in OPERATORS.items()
    if function.real is not None and function.case is not None and not function.case.operands
    and function.lower is None and onnx.defs.has(name)
)  # fmt: skip


def function(rng: Rng) -> Result:
    m = _any(rng)
    name = _pick(rng, *_UNARY)
    since = onnx.defs.get_schema(name).since_version
    m.opset = max(m.opset, since)
    if m.opset > 22:
        m.opset, name = 20, "Relu"
    x = m.input
    if name in {"Log", "Sqrt", "Reciprocal"}:
        x = m.node("Add", [m.node("Abs", [x]), m.constant(np.array(0.05, np.float32))])
    case = OPERATORS[name].case
    y = m.node(name, [x], **(dict(case.attributes) if case is not None else {}))
    return _compared(m, _quantized(m, y, rng))


def chain(rng: Rng) -> Result:
    """A few functions and constants in float: one table."""
    m = _any(rng)
    m.opset = max(m.opset, 14)  # HardSwish
    y = m.input
    for _ in range(int(rng.integers(2, 5))):
        kind = _pick(rng, "Tanh", "Relu", "Sigmoid", "Mul", "Add", "Neg", "HardSwish", "again")
        if kind in {"Mul", "Add"}:
            y = m.node(kind, [y, m.constant(np.array(rng.normal(), np.float32))])
        else:
            y = m.node("Mul", [y, m.input]) if kind == "again" else m.node(kind, [y])
    return _compared(m, _quantized(m, y, rng))


def clip(rng: Rng) -> Result:
    m = _any(rng)
    bounds = [m.constant(np.array(value, np.float32)) for value in sorted(rng.normal(size=2))]
    return _compared(m, _quantized(m, m.node("Clip", [m.input, *bounds]), rng))


def prelu(rng: Rng) -> Result:
    m = _image(rng)
    slopes = _pick(rng, (m.shape[1], 1, 1), (1,), (1, 1, m.shape[3]))
    return _compared(m, _quantized(m, m.node("PRelu", [m.input, m.random(slopes)]), rng))


def batch_norm(rng: Rng) -> Result:
    m = _image(rng)
    n = m.shape[1]
    values = [rng.normal(1, 0.8, n), rng.normal(0, 0.3, n), rng.normal(0, 0.3, n), rng.uniform(0.3, 2, n)]
    y = m.node("BatchNormalization", [m.input, *(m.constant(v.astype(np.float32)) for v in values)])
    return _compared(m, _quantized(m, y, rng))


def concatenation(rng: Rng) -> Result:
    m = _any(rng)
    parts = [m.input, m.operator("Sigmoid", [m.input]), m.operator("Neg", [m.input])][: int(rng.integers(2, 4))]
    return _compared(m, _quantized(m, m.node("Concat", parts, axis=int(rng.integers(1, len(m.shape)))), rng))


def cut(rng: Rng) -> Result:
    m = _any(rng)
    axes = list(range(1, len(m.shape)))
    steps = [int(_pick(rng, 1, 1, 2, 3, -1, -2)) for _ in axes]
    bounds = [
        (0, m.shape[axis]) if step > 0 else (m.shape[axis] - 1, -100) for axis, step in zip(axes, steps, strict=True)
    ]
    parts = [[low for low, _ in bounds], [high for _, high in bounds], axes, steps]
    return _compared(m, _quantized(m, m.node("Slice", [m.input, *(m.constant(np.array(p)) for p in parts)]), rng))


def gather(rng: Rng) -> Result:
    m = _any(rng)
    axis = int(rng.integers(1, len(m.shape)))
    shape = _pick(rng, (3,), (1,), (2, 2))
    indices = m.constant(rng.integers(-m.shape[axis], m.shape[axis], shape))
    return _compared(m, _quantized(m, m.node("Gather", [m.input, indices], axis=axis), rng))


def padding(rng: Rng) -> Result:
    m = _any(rng)
    mode = _pick(rng, "constant", "reflect", "edge")
    limits = [0] + [size - 1 if mode == "reflect" else 3 for size in m.shape[1:]]
    widths = [int(rng.integers(0, limit + 1)) for limit in limits * 2]
    operands = [m.input, m.constant(np.array(widths))]
    if mode == "constant" and rng.integers(2):
        operands.append(m.constant(np.array(rng.normal(0, 0.5), np.float32)))
    return _compared(m, _quantized(m, m.node("Pad", operands, mode=mode), rng))


def repetition(rng: Rng) -> Result:
    m = _any(rng)
    repeats = [1] + [int(n) for n in rng.integers(1, 4, len(m.shape) - 1)]
    return _compared(m, _quantized(m, m.node("Tile", [m.input, m.constant(np.array(repeats))]), rng))


def resize(rng: Rng) -> Result:
    m = _image(rng, opsets=(13, 18, 19, 20, 21))
    modes = ["asymmetric", "align_corners", "half_pixel", "pytorch_half_pixel"]
    coordinates = _pick(rng, *modes, *(["half_pixel_symmetric"] if m.opset >= 19 else []))
    mode = _pick(rng, "nearest", "linear")
    attributes: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": coordinates}
    if mode == "nearest":
        # Its coordinates are not exact: onnxruntime's places on the border of two cells go either way.
        exact = ["floor", "ceil"] if coordinates != "half_pixel_symmetric" else []
        attributes["nearest_mode"] = _pick(rng, *exact, "round_prefer_floor", "round_prefer_ceil")
    sizes = [*m.shape[:2], *(int(n) for n in rng.integers(2, 17, 2))]
    if rng.integers(2):
        operands = ["", "", m.constant(np.array(sizes))]
    else:
        scales = np.array([1, 1, *(_pick(rng, 0.5, 1.5, 2, 2.7) for _ in range(2))], np.float32)
        operands = ["", m.constant(scales)]
    return _compared(m, _quantized(m, m.node("Resize", [m.input, *operands], **attributes), rng))


def views(rng: Rng) -> Result:
    m = _any(rng)
    y = m.input
    for _ in range(int(rng.integers(1, 4))):
        permutation = [0, *(int(a) + 1 for a in rng.permutation(len(m.shape) - 1))]
        if rng.integers(2):
            y = m.node("Reshape", [y, m.constant(np.array(m.shape))])
        y = m.node("Transpose", [y], perm=permutation)
    return _compared(m, _quantized(m, m.node("Flatten", [y]), rng))


def blocks(rng: Rng) -> Result:
    kind = _pick(rng, "DepthToSpace", "SpaceToDepth")
    if kind == "DepthToSpace":
        m = _image(rng, 4 * int(rng.integers(1, 4)))
        y = m.node(kind, [m.input], blocksize=2, mode=_pick(rng, "DCR", "CRD"))
    else:
        m = _model(rng, (1, 3, 2 * int(rng.integers(1, 5)), 2 * int(rng.integers(1, 5))))
        y = m.node(kind, [m.input], blocksize=2)
    return _compared(m, _quantized(m, y, rng))


def left_in_float(rng: Rng) -> Result:
    """A layer whose result is not quantized: its range comes from its weights."""
    inputs, outputs = (int(n) for n in rng.integers(1, 20, 2))
    m = _model(rng, (1, inputs))
    y = m.node("Gemm", [m.input, m.weight((inputs, outputs), 1), m.random((outputs,))])
    y = m.node(_pick(rng, "Relu", "Sigmoid", "Identity"), [y])
    return _compared(m, y)


MODELS: dict[str, Callable[[Rng], Result]] = {
    function.__name__: function
    for function in (
        convolution, depthwise, sequence_convolution, transposed_convolution, gemm, matrix_product,
        product_of_activations, asymmetric_weights, pooling, global_pooling, reduction, softmax, layer_norm, binary,
        with_constant, function, chain, clip, prelu, batch_norm, concatenation, cut, gather, padding, repetition,
        resize, views, blocks, left_in_float,
    )
}  # fmt: skip
"""By name."""
