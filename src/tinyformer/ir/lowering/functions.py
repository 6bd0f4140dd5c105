# SPDX-License-Identifier: Apache-2.0
"""Element-wise operators on one operand: a table of 256 entries holds them, and chains of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinyformer.ir.lowering.function import Attributes, Case, Function, RealFunction, Scale

_FLAT = "its gradient is 0 everywhere"
_MICROSOFT = "onnxruntime's own operator: export the model without onnxruntime's optimizations"
_NOT_IN_ONNX = "ONNX has no such operator"


def _gelu(xp: Any, a: Attributes, x: Any) -> Any:
    if a.get("approximate", "none") == "tanh":
        return 0.5 * x * (1 + xp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + xp.erf(x / math.sqrt(2)))


def _clip(xp: Any, a: Attributes, x: Any, low: Any = None, high: Any = None) -> Any:
    lower = a.get("min", -math.inf) if low is None else low
    upper = a.get("max", math.inf) if high is None else high
    return xp.clip(xp.clip(x, lower, None), None, upper)


def _elu(xp: Any, a: Attributes, x: Any) -> Any:
    return xp.where(x < 0, a.get("alpha", 1.0) * xp.expm1(xp.clip(x, None, 0)), x)


def _selu(xp: Any, a: Attributes, x: Any) -> Any:
    alpha, gamma = a.get("alpha", 1.6732632423543772), a.get("gamma", 1.0507009873554805)
    return gamma * xp.where(x > 0, x, alpha * xp.expm1(xp.clip(x, None, 0)))


def _celu(xp: Any, a: Attributes, x: Any) -> Any:
    alpha = a.get("alpha", 1.0)
    return xp.clip(x, 0, None) + xp.clip(alpha * xp.expm1(xp.clip(x, None, 0) / alpha), None, 0)


def _hard_sigmoid(xp: Any, a: Attributes, x: Any) -> Any:
    return xp.clip(a.get("alpha", 0.2) * x + a.get("beta", 0.5), 0, 1)


def table(
    name: str,
    real: RealFunction,
    case: Case | None = None,
    *,
    scale: Scale | None = Scale.OBSERVED,
    unquantized: str = "",
    **parts: Any,
) -> Function:
    """An element-wise operator without a kernel: a table holds it, in islands of one activation and single numbers."""
    if unquantized:
        return Function(name, "Lut", real=real, unquantized=unquantized, **parts)
    return Function(name, "Lut", case or Case(), real=real, scale=scale, **parts)


FUNCTIONS = (
    table("Abs", lambda xp, a, x: xp.abs(x), tflite=("ABS",)),
    table("Atan", lambda xp, a, x: xp.atan(x)),
    table("Ceil", lambda xp, a, x: xp.ceil(x), tflite=("CEIL",), untrained=_FLAT),
    table("Celu", _celu, Case(attributes={"alpha": 0.7}), attributes=("alpha",)),
    table(
        "Clip",
        _clip,
        Case((np.float32(-0.5), np.float32(0.4))),
        attributes=("min", "max"),
        tflite=("RELU6", "RELU_N1_TO_1"),
    ),
    table("Cos", lambda xp, a, x: xp.cos(x), tflite=("COS",)),
    table("Elu", _elu, attributes=("alpha",), tflite=("ELU",)),
    table("Erf", lambda xp, a, x: xp.erf(x)),
    table("Exp", lambda xp, a, x: xp.exp(x), tflite=("EXP",)),
    table("FastGelu", lambda xp, a, x: _gelu(xp, {"approximate": "tanh"}, x), unquantized=_MICROSOFT),
    table("Floor", lambda xp, a, x: xp.floor(x), tflite=("FLOOR",), untrained=_FLAT),
    table("Gelu", _gelu, attributes=("approximate",), tflite=("GELU",)),
    table("HardSigmoid", _hard_sigmoid, attributes=("alpha", "beta")),
    table("HardSwish", lambda xp, a, x: x * xp.clip(x / 6 + 0.5, 0, 1), tflite=("HARD_SWISH",)),
    table(
        "LeakyRelu",
        lambda xp, a, x: xp.where(x < 0, a.get("alpha", 0.01) * x, x),
        Case(attributes={"alpha": 0.1}),
        attributes=("alpha",),
        tflite=("LEAKY_RELU",),
    ),
    table("Log", lambda xp, a, x: xp.log(x), Case(positive=True), tflite=("LOG",)),
    table("Mish", lambda xp, a, x: x * xp.tanh(xp.softplus(x))),
    table("Neg", lambda xp, a, x: -x, tflite=("NEG",)),
    table(
        "QuickGelu",
        lambda xp, a, x: x * xp.sigmoid(a.get("alpha", 1.702) * x),
        attributes=("alpha",),
        unquantized=_MICROSOFT,
    ),
    table("Reciprocal", lambda xp, a, x: 1 / x, Case(positive=True)),
    table("Relu", lambda xp, a, x: xp.clip(x, 0, None), tflite=("RELU",)),
    table("Round", lambda xp, a, x: xp.round(x), tflite=("ROUND",), untrained=_FLAT),
    table("Rsqrt", lambda xp, a, x: 1 / xp.sqrt(x), tflite=("RSQRT",), unquantized=_NOT_IN_ONNX),
    table("Selu", _selu, attributes=("alpha", "gamma")),
    table("Sigmoid", lambda xp, a, x: xp.sigmoid(x), tflite=("LOGISTIC",)),
    table("Sign", lambda xp, a, x: xp.sign(x), untrained=_FLAT),
    table("Sin", lambda xp, a, x: xp.sin(x), tflite=("SIN",)),
    table("Softplus", lambda xp, a, x: xp.softplus(x)),
    table("Softsign", lambda xp, a, x: x / (1 + xp.abs(x))),
    table("Sqrt", lambda xp, a, x: xp.sqrt(x), Case(positive=True), tflite=("SQRT",)),
    table("Square", lambda xp, a, x: x * x, tflite=("SQUARE",), unquantized=_NOT_IN_ONNX),
    table("Swish", lambda xp, a, x: x * xp.sigmoid(a.get("alpha", 1.0) * x), attributes=("alpha",)),
    table("Tanh", lambda xp, a, x: xp.tanh(x), tflite=("TANH",)),
    table(
        "ThresholdedRelu",
        lambda xp, a, x: xp.where(x > a.get("alpha", 1.0), x, 0.0),
        Case(attributes={"alpha": 0.4}),
        attributes=("alpha",),
    ),
    table("Identity", lambda xp, a, x: x),
)
