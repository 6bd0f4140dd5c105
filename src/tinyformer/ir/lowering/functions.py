"""Elementwise operators as functions on double precision arrays, by ONNX operator type.

Each entry takes the node's attributes and the inputs (arrays or scalars) and returns the output.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Attributes: TypeAlias = Mapping[str, Any]
Function: TypeAlias = Callable[..., Array]

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _gelu(a: Attributes, x: Array) -> Array:
    if a.get("approximate", "none") == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + _erf(x / math.sqrt(2)))


def _clip(a: Attributes, x: Array, low: Any = None, high: Any = None) -> Array:
    lower = a.get("min", -math.inf) if low is None else low
    upper = a.get("max", math.inf) if high is None else high
    return np.minimum(np.maximum(x, lower), upper)


def _round(a: Attributes, x: Array) -> Array:
    return np.rint(x)


def _elu(a: Attributes, x: Array) -> Array:
    return np.where(x < 0, a.get("alpha", 1.0) * np.expm1(np.minimum(x, 0)), x)


def _selu(a: Attributes, x: Array) -> Array:
    alpha, gamma = a.get("alpha", 1.6732632423543772), a.get("gamma", 1.0507009873554805)
    return gamma * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _celu(a: Attributes, x: Array) -> Array:
    alpha = a.get("alpha", 1.0)
    return np.maximum(x, 0) + np.minimum(0, alpha * np.expm1(np.minimum(x, 0) / alpha))


def _thresholded_relu(a: Attributes, x: Array) -> Array:
    return np.where(x > a.get("alpha", 1.0), x, 0.0)


def _leaky_relu(a: Attributes, x: Array) -> Array:
    return np.where(x < 0, a.get("alpha", 0.01) * x, x)


def _hard_sigmoid(a: Attributes, x: Array) -> Array:
    return np.clip(a.get("alpha", 0.2) * x + a.get("beta", 0.5), 0, 1)


FUNCTIONS: Mapping[str, Function] = {
    "Abs": lambda a, x: np.abs(x),
    "Add": lambda a, x, y: x + y,
    "Atan": lambda a, x: np.arctan(x),
    "Ceil": lambda a, x: np.ceil(x),
    "Celu": _celu,
    "Clip": _clip,
    "Cos": lambda a, x: np.cos(x),
    "Div": lambda a, x, y: x / y,
    "Elu": _elu,
    "Erf": lambda a, x: _erf(x),
    "Exp": lambda a, x: np.exp(x),
    "FastGelu": lambda a, x: _gelu({"approximate": "tanh"}, x),
    "Floor": lambda a, x: np.floor(x),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda a, x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Identity": lambda a, x: x,
    "LeakyRelu": _leaky_relu,
    "Log": lambda a, x: np.log(x),
    "Max": lambda a, *xs: np.maximum.reduce(np.broadcast_arrays(*xs)),
    "Min": lambda a, *xs: np.minimum.reduce(np.broadcast_arrays(*xs)),
    "Mish": lambda a, x: x * np.tanh(np.logaddexp(0, x)),
    "Mul": lambda a, x, y: x * y,
    "Neg": lambda a, x: -x,
    "PRelu": lambda a, x, slope: np.where(x < 0, slope * x, x),
    "Pow": lambda a, x, y: np.power(x, y),
    "QuickGelu": lambda a, x: x * _sigmoid(a.get("alpha", 1.702) * x),
    "Reciprocal": lambda a, x: 1 / x,
    "Relu": lambda a, x: np.maximum(x, 0),
    "Round": _round,
    "Rsqrt": lambda a, x: 1 / np.sqrt(x),
    "Selu": _selu,
    "Sigmoid": lambda a, x: _sigmoid(x),
    "Sign": lambda a, x: np.sign(x),
    "Sin": lambda a, x: np.sin(x),
    "Softplus": lambda a, x: np.logaddexp(0, x),
    "Softsign": lambda a, x: x / (1 + np.abs(x)),
    "Sqrt": lambda a, x: np.sqrt(x),
    "Square": lambda a, x: x * x,
    "Sub": lambda a, x, y: x - y,
    "Swish": lambda a, x: x * _sigmoid(a.get("alpha", 1.0) * x),
    "Tanh": lambda a, x: np.tanh(x),
    "ThresholdedRelu": _thresholded_relu,
}
"""What a table of 256 entries can hold."""
