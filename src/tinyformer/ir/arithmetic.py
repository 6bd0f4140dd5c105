# SPDX-License-Identifier: Apache-2.0
"""Compile-time integers: from real scales to the multipliers, shifts and tables that operators carry.

``docs/integer_semantics.md`` defines how operators use them; everything here is evaluated in double precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinyformer.errors import TinyFormerError
from tinyformer.ir.base import Int8Array, Int16Array, Int32Array, Requantization, UInt32Array
from tinyformer.ir.quantization import Quantization

FloatArray = NDArray[np.float64]
INT32_MAX = 2**31 - 1
LARGEST_REAL_MULTIPLIER = 256.0
"""Beyond it every non-zero accumulator saturates the output anyway."""
LARGEST_NORMALIZED_ROW = 1024
LARGEST_EXACT_MEAN = 2048
"""Cells of a window whose mean is rounded exactly as TensorFlow Lite does."""
LARGEST_LAYERNORM_EPSILON = 2**48


class Quantized(Protocol):
    """Whatever carries a quantization ``real = scale * (q - zero_point)``, such as an ``ir.graph.Tensor``."""

    @property
    def scale(self) -> float:
        """Real size of one step."""

    @property
    def zero_point(self) -> int:
        """INT8 value of real 0."""


@dataclass(frozen=True)
class AddParameters:
    """The integers of :class:`tinyformer.ir.graph.Add`, without its limits."""

    multiplier_a: int
    multiplier_b: int
    offset: int
    shift: int


@dataclass(frozen=True)
class SoftmaxParameters:
    """The integers of :class:`tinyformer.ir.graph.Softmax`."""

    exponentials: UInt32Array
    sum_shift: int
    numerator: int


@dataclass(frozen=True)
class LayerNormParameters:
    """The integers of :class:`tinyformer.ir.graph.LayerNorm`."""

    gamma: Int16Array
    beta: Int32Array
    epsilon: int
    pre_shift: int
    post_shift: int


def ceil_log2(n: int) -> int:
    """Smallest L with 2**L >= n, for n >= 1."""
    return (n - 1).bit_length()


def quantize_multiplier(real: ArrayLike) -> tuple[Int32Array, int]:
    """Fixed-point multipliers for non-negative real ones, and the shift they share.

    Returns ``(multipliers, shift)`` with ``real ~ multipliers * 2**(shift - 32)``, each in [0, 2**31),
    shift in 0..10. Raises :class:`TinyFormerError` for negative or non-finite values.
    """
    values = np.atleast_1d(np.asarray(real, np.float64))
    if not np.all(np.isfinite(values)) or np.any(values < 0):
        raise TinyFormerError(
            "a requantization multiplier is negative or not finite: check the scales of the quantized model"
        )
    values = np.minimum(values, LARGEST_REAL_MULTIPLIER)
    shift = 0
    while np.any(np.rint(values * 2.0 ** (32 - shift)) > INT32_MAX):
        shift += 1
    return np.rint(values * 2.0 ** (32 - shift)).astype(np.int32), shift


def requantization(real: ArrayLike, zero_point: int, low: int = -128, high: int = 127) -> Requantization:
    """Requantization by the real multiplier(s) ``s_x * s_w / s_y`` to an output with ``zero_point``."""
    multipliers, shift = quantize_multiplier(real)
    return Requantization(multipliers, shift, int(zero_point), int(low), int(high))


def average_pool_requantization(
    scale_x: float, scale_y: float, zero_point_y: int, cells: int, uniform: bool
) -> Requantization:
    """For a window of ``cells`` cells: one multiplier where all windows count alike, else one per count 1..cells."""
    counts = np.array([cells]) if uniform else np.arange(1, cells + 1)
    return requantization(scale_x / (scale_y * counts), zero_point_y)


def mean_away_from_zero(cells: int, uniform: bool) -> Requantization:
    """The mean of integers as TensorFlow Lite rounds it, ties away from zero, for a zero point of 0.

    A multiplier a little above 1 / count moves ties away from zero and nothing else: sums are at most 128 times the
    count, so that they move by less than 1 / (2 * count) while ``cells`` is at most :data:`LARGEST_EXACT_MEAN`.
    """
    counts = np.array([cells]) if uniform else np.arange(1, cells + 1)
    shift = 0
    while 2 ** (32 - shift) // int(counts.min()) + 1 > INT32_MAX:
        shift += 1
    multipliers = (2 ** (32 - shift) // counts + 1).astype(np.int32)
    return Requantization(multipliers, shift, 0)


def fold_bias(
    bias: ArrayLike, weights: Int8Array, scale_x: float, scale_w: ArrayLike, zero_point_x: int
) -> NDArray[np.int64]:
    """``round(b / (s_x s_w)) - z_x * sum(w)`` per output channel; ``weights`` has the output channels first.

    Returns int64: :func:`accumulator_range` tells whether the layer stays within int32.
    """
    real = np.asarray(bias, np.float64) / (scale_x * np.asarray(scale_w, np.float64))
    sums = weights.reshape(len(weights), -1).sum(axis=1, dtype=np.int64)
    limit = 2.0**40  # an overflow that the range check reports
    folded: NDArray[np.int64] = np.rint(np.clip(real, -limit, limit)).astype(np.int64) - int(zero_point_x) * sums
    return folded


def accumulator_range(weights: Int8Array, bias: NDArray[np.signedinteger]) -> tuple[int, int]:
    """Smallest and largest partial sum of ``bias + sum(w x)``, in any order of summation, over all INT8 inputs.

    ``weights`` has the output channels first.
    """
    flat = weights.reshape(len(weights), -1).astype(np.int64)
    positive = np.where(flat > 0, flat, 0).sum(axis=1)
    negative = np.where(flat < 0, flat, 0).sum(axis=1)
    wide = bias.astype(np.int64)
    low = np.minimum(wide, 0) + positive * -128 + negative * 127
    high = np.maximum(wide, 0) + positive * 127 + negative * -128
    return int(low.min()), int(high.max())


def fits_int32(bounds: tuple[int, int]) -> bool:
    """Whether every value between ``bounds`` is an int32."""
    return bounds[0] >= -(2**31) and bounds[1] <= INT32_MAX


def add_parameters(a: Quantized, b: Quantized, y: Quantized, sign: int = 1) -> AddParameters:
    """Integers for ``y = a + sign * b``, ``sign`` being 1 or -1 (docs/integer_semantics.md, "Add")."""
    ratio_a, ratio_b = (min(x.scale / y.scale, LARGEST_REAL_MULTIPLIER) for x in (a, b))
    shift = 15
    while round(max(ratio_a, ratio_b) * 2**shift) > 2**15 - 1:
        shift -= 1
    offset = round((y.zero_point - a.zero_point * ratio_a - sign * b.zero_point * ratio_b) * 2**shift)
    return AddParameters(
        multiplier_a=round(ratio_a * 2**shift),
        multiplier_b=sign * round(ratio_b * 2**shift),
        offset=offset + (2**shift >> 1),
        shift=shift,
    )


def lut(
    function: Callable[[FloatArray], FloatArray], x: Quantized, y: Quantized, *, ties_away: bool = False
) -> Int8Array:
    """Table of a unary real function: entry ``q + 128`` is the INT8 output for the INT8 input q. Shape (256,).

    ``ties_away`` says how :meth:`~tinyformer.ir.quantization.Quantization.quantize` rounds.
    """
    # Single precision, as DequantizeLinear yields: it decides on which side of a step (Floor, Round) a value falls.
    real = (np.float32(x.scale) * np.arange(-128 - x.zero_point, 128 - x.zero_point, dtype=np.float32)).astype(
        np.float64
    )
    with np.errstate(all="ignore"):
        values = np.asarray(function(real), np.float64)
    # A NaN (square root of a negative number, say) has no right answer; infinities saturate.
    values = np.nan_to_num(values, nan=0.0, posinf=np.finfo(np.float64).max / 4, neginf=-np.finfo(np.float64).max / 4)
    with np.errstate(over="ignore"):
        return Quantization(y.scale, y.zero_point).quantize(values, ties_away=ties_away)


def softmax_parameters(n: int, x: Quantized, y: Quantized) -> SoftmaxParameters:
    """Integers for softmax over rows of ``n`` elements (docs/integer_semantics.md, "Softmax")."""
    if not 1 <= n <= 2**20:
        raise TinyFormerError(f"softmax over rows of {n} elements is not supported: at most 1048576")
    precision = min(23, 31 - ceil_log2(n))
    shift = 8
    while round(2.0 ** (32 - shift) / y.scale) > 2**32:
        shift += 1
        if shift > precision - 2:
            raise TinyFormerError(f"softmax output scale {y.scale:g} is too small for rows of {n} elements: use 1/256")
    exponentials = np.rint(2.0**precision * np.exp(-x.scale * np.arange(256.0))).astype(np.uint32)
    return SoftmaxParameters(exponentials, shift, min(round(2.0 ** (32 - shift) / y.scale), 2**32 - 1))


def layernorm_parameters(
    gamma: ArrayLike, beta: ArrayLike, epsilon: float, x: Quantized, y: Quantized
) -> LayerNormParameters:
    """Integers for LayerNorm over rows as long as ``gamma`` (docs/integer_semantics.md, "LayerNorm")."""
    gains = np.asarray(gamma, np.float64) / y.scale
    shifts = np.asarray(beta, np.float64) / y.scale + y.zero_point
    n = len(gains)
    if not 1 <= n <= LARGEST_NORMALIZED_ROW:
        raise TinyFormerError(f"LayerNorm over {n} elements is not supported: at most {LARGEST_NORMALIZED_ROW}")
    for post_shift in range(24, 0, -1):
        scaled_gains = np.rint(gains * 2.0 ** (post_shift - 10))
        scaled_shifts = np.rint(shifts * 2.0**post_shift) + 2 ** (post_shift - 1)
        if np.all(np.abs(scaled_gains) <= 2**15 - 1) and np.all(np.abs(scaled_shifts) <= 2**30):
            break
    else:
        raise TinyFormerError(f"LayerNorm output scale {y.scale:g} is too small for its gains: recalibrate the model")
    return LayerNormParameters(
        gamma=scaled_gains.astype(np.int16),
        beta=scaled_shifts.astype(np.int32),
        epsilon=int(np.clip(np.rint(epsilon * n**2 / x.scale**2), 1, LARGEST_LAYERNORM_EPSILON)),
        pre_shift=22 - ceil_log2(n),
        post_shift=post_shift,
    )


@dataclass(frozen=True)
class VarianceSteps:
    """The integers by which a rounded variance becomes a multiplier (docs/integer_semantics.md, "LayerNorm")."""

    multipliers: Int32Array
    variance_multiplier: int
    variance_shift: int
    first_step: int


def variance_steps(
    n: int, pre_shift: int, x_scale: float, variance: Quantized, totals: NDArray[np.float64]
) -> VarianceSteps:
    """Integers for rows of ``n`` elements whose variance is rounded as ``variance`` says.

    ``totals`` (256,) are the numbers under the root, epsilon included, for its values -128 to 127.
    """
    ratio = x_scale**2 / (n**2 * variance.scale)
    shift = int(np.clip(28 - math.frexp(ratio)[1], 1, 62))
    deviations = n * np.sqrt(np.maximum(totals, 0.0)) / x_scale
    with np.errstate(divide="ignore"):
        multipliers = np.minimum(np.rint(2.0 ** (42 - pre_shift) / deviations), 2.0**31 - 1)
    return VarianceSteps(
        multipliers=multipliers.astype(np.int32),
        variance_multiplier=min(round(ratio * 2.0**shift), 2**28),
        variance_shift=shift,
        first_step=128 + variance.zero_point,
    )
