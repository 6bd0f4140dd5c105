# SPDX-License-Identifier: Apache-2.0
"""The quantization of an activation: one scale and zero point a tensor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Quantization(NamedTuple):
    """``real = scale * (q - zero_point)`` with q in -128..127; a real 0 is an integer."""

    scale: float
    zero_point: int

    def quantize(self, values: ArrayLike, *, ties_away: bool = False) -> NDArray[np.int8]:
        """Real values to INT8: divide in single precision, round half to even and saturate, as ONNX's QuantizeLinear.

        ``ties_away`` rounds half away from zero instead, as TensorFlow Lite does.
        """
        with np.errstate(over="ignore"):
            scaled = np.asarray(values, np.float32) / np.float32(self.scale)
        if ties_away:
            scaled = np.copysign(np.floor(np.abs(scaled) + np.float32(0.5)), scaled)
        rounded = np.rint(scaled).astype(np.float64) + self.zero_point
        integers: NDArray[np.int8] = np.clip(rounded, -128, 127).astype(np.int8)
        return integers

    def real(self, integers: NDArray[np.integer]) -> NDArray[np.float64]:
        """INT8 to the real values that it stands for."""
        return self.scale * (integers.astype(np.float64) - self.zero_point)
