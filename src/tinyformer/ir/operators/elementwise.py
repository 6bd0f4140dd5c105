# SPDX-License-Identifier: Apache-2.0
"""Operators on one element at a time: sums, products, tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tinyformer.ir.base import (
    Elementwise,
    Int8Array,
    Int32Array,
    Requantization,
    Tensor,
)

ZERO_DIVISOR = -(2**31)
"""The multiplier of a divisor of 0."""


@dataclass(frozen=True)
class Add(Elementwise):
    """``clamp((a * multiplier_a + b * multiplier_b + offset) >> shift, low, high)``, int16 multipliers; same shapes."""

    multiplier_a: int
    multiplier_b: int
    offset: int
    shift: int
    low: int
    high: int

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        a, b = inputs
        acc = a.astype(np.int32) * self.multiplier_a + b.astype(np.int32) * self.multiplier_b + self.offset
        y: Int8Array = np.clip(acc >> self.shift, self.low, self.high).astype(np.int8)
        return y


@dataclass(frozen=True)
class Mul(Elementwise):
    """``requantize((a - a_zero_point) * (b - b_zero_point))``; b has a's shape or is broadcast: (1, ..., 1, C)."""

    a_zero_point: int
    b_zero_point: int
    requantization: Requantization

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        a, b = inputs
        left, right = a.astype(np.int32) - self.a_zero_point, b.astype(np.int32) - self.b_zero_point
        return self.requantization.apply(left * right)


@dataclass(frozen=True)
class Div(Elementwise):
    """``requantize(a - a_zero_point)`` by the multiplier of the divisor: ``multipliers[b + 128]``; same shapes.

    ``multipliers`` (256,) share the shift of ``requantization``, whose own are not used: of any sign, above -2**31,
    which stands for a divisor of 0. There the result is the highest value where a is above 0, else the lowest, as
    onnxruntime saturates infinities and what is no number.
    """

    a_zero_point: int
    multipliers: Int32Array
    requantization: Requantization

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        a, b = inputs
        acc, multipliers = a.astype(np.int32) - self.a_zero_point, self.multipliers[b.astype(np.intp) + 128]
        r = self.requantization
        quotients = replace(r, multipliers=multipliers).apply(acc)
        y: Int8Array = np.where(multipliers == ZERO_DIVISOR, np.where(acc > 0, r.high, r.low), quotients)
        return y.astype(np.int8)


@dataclass(frozen=True)
class Lut(Elementwise):
    """Any unary function: ``y = table[x + 128]``, ``table`` (256,) int8. GELU, SiLU, sigmoid, requantization, ..."""

    table: Int8Array

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        (x,) = inputs
        y: Int8Array = self.table[x.astype(np.intp) + 128]
        return y


@dataclass(frozen=True)
class PRelu(Elementwise):
    """``requantize(x - input_zero_point)``, below zero by the multiplier of the element's index on the last axis.

    ``slopes`` (C,) are those multipliers, of any sign, for the shift of ``requantization``, whose only multiplier is
    that from zero up.
    """

    input_zero_point: int
    slopes: Int32Array
    requantization: Requantization

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        (x,) = inputs
        acc = x.astype(np.int32) - self.input_zero_point
        multipliers = np.where(acc < 0, self.slopes, self.requantization.multipliers)
        return replace(self.requantization, multipliers=multipliers).apply(acc)


@dataclass(frozen=True)
class Extremum(Elementwise):
    """The larger (or smaller) of two tensors of one shape and scale, element by element."""

    largest: bool

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        a, b = inputs
        return np.maximum(a, b) if self.largest else np.minimum(a, b)
