# SPDX-License-Identifier: Apache-2.0
"""The array library in which real functions are written once (NumPy; training gives the same members in torch)."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np

MEMBERS = (
    "abs", "atan", "ceil", "clip", "cos", "erf", "exp", "expm1", "floor", "log", "maximum", "minimum", "pow", "round",
    "sigmoid", "sign", "sin", "softplus", "sqrt", "tanh", "trunc", "where",
)  # fmt: skip
"""What a library must have; ``round`` is to even, ``clip`` takes None for no bound."""


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


_OWN = {
    "atan": np.arctan,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "pow": np.power,
    "round": np.rint,
    "sigmoid": _sigmoid,
    "softplus": lambda x: np.logaddexp(0, x),
}

NUMPY = SimpleNamespace(**{name: _OWN[name] if name in _OWN else getattr(np, name) for name in MEMBERS})
"""Double precision arrays."""
