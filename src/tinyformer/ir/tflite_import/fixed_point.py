# SPDX-License-Identifier: Apache-2.0
"""LiteRT's fixed-point arithmetic, for what can be computed when a model is compiled: tables of 256 entries.

After the reference kernels of TensorFlow Lite: a multiplier has 31 bits and a shift, and its product is rounded twice,
half up by the multiplication and half away from zero by the shift.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir.base import Int8Array
from tinyformer.ir.quantization import Quantization

Integers = NDArray[np.int64]

_INT16 = (-(2**15), 2**15 - 1)


def quantized_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) with ``real = multiplier * 2**(shift - 31)``, the multiplier in [2**30, 2**31)."""
    if real == 0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    return (multiplier // 2, shift + 1) if multiplier == 2**31 else (multiplier, shift)


def divided_by_power(x: Integers, exponent: int) -> Integers:
    """``x / 2**exponent``, ties away from zero."""
    if exponent == 0:
        return x
    result: Integers = (x + 2 ** (exponent - 1) - (x < 0)) >> exponent
    return result


def multiplied(x: Integers, multiplier: int, shift: int) -> Integers:
    """``x`` times a multiplier of :func:`quantized_multiplier`, for |x| << shift within int32."""
    left, right = max(shift, 0), max(-shift, 0)
    return divided_by_power(((x << left) * multiplier + 2**30) >> 31, min(right, 31))


def _all(x: Quantization) -> Integers:
    return np.arange(-128, 128, dtype=np.int64) - x.zero_point


def _clamped(values: Integers, y: Quantization) -> Int8Array:
    table: Int8Array = np.clip(values + y.zero_point, -128, 127).astype(np.int8)
    return table


def requantized(x: Quantization, y: Quantization) -> Int8Array:
    """QUANTIZE from one INT8 tensor to another."""
    return _clamped(multiplied(_all(x), *quantized_multiplier(x.scale / y.scale)), y)


def leaky_relu(x: Quantization, y: Quantization, alpha: float) -> Int8Array:
    """LEAKY_RELU: one multiplier for each side of zero."""
    values = _all(x)
    positive, negative = quantized_multiplier(x.scale / y.scale), quantized_multiplier(abs(alpha) * x.scale / y.scale)
    sign = -1 if alpha < 0 else 1
    return _clamped(np.where(values >= 0, multiplied(values, *positive), sign * multiplied(values, *negative)), y)


def hard_swish(x: Quantization, y: Quantization) -> Int8Array:
    """HARD_SWISH in 16 bits."""
    hires = _all(x) << 7
    scale = np.float32(x.scale) / np.float32(128)
    outer, outer_shift = _sixteen_bits(float(scale / np.float32(y.scale)))
    inner, inner_shift = _sixteen_bits(float(scale / np.float32(3 / 32768)))
    product = _rounding_high(hires, outer)
    relu6 = hires
    if inner_shift > 0:
        relu6 = np.clip(relu6 << (inner_shift - 1), *_INT16)
    relu6 = _rounding_high(relu6, inner)
    if inner_shift > 0:
        relu6 = np.clip(relu6 << 1, *_INT16)
    elif inner_shift < 0:
        relu6 = divided_by_power(relu6, -inner_shift)
    relu6 = (relu6 + 2**15) >> 1
    # The product's upper half is cut off, not rounded: towards zero.
    both = relu6 * product
    high = np.clip(np.sign(both) * (np.abs(both) >> 15), *_INT16)
    return _clamped(divided_by_power(high, max(0, -outer_shift)), y)


def _sixteen_bits(real: float) -> tuple[int, int]:
    multiplier, shift = quantized_multiplier(real)
    return min((multiplier + 2**15) >> 16, 2**15 - 1), shift


def _rounding_high(a: Integers, b: int) -> Integers:
    """Half of the 32-bit product of two 16-bit numbers, doubled: ``a * b / 2**15``, ties up."""
    result: Integers = np.clip((a * b + 2**14) >> 15, *_INT16)
    return result


def mean_multiplier(scales: float, cells: int) -> tuple[int, int]:
    """(multiplier, shift) of MEAN: that of the ratio of ``scales``, divided by the number of ``cells``."""
    multiplier, shift = quantized_multiplier(scales)
    room = min(cells.bit_length() - 1, 32, 31 + shift)
    return (multiplier << room) // cells, shift - room
