# SPDX-License-Identifier: Apache-2.0
"""The transformer's operators on rows: softmax and LayerNorm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir.base import (
    Int8Array,
    Int16Array,
    Int32Array,
    Op,
    Rowwise,
    Shape,
    Tensor,
    UInt8Array,
    UInt32Array,
)


@dataclass(frozen=True)
class Softmax(Rowwise):
    """Softmax over the last axis by a table of 256 exponentials and one reciprocal a row.

    See docs/integer_semantics.md, "Softmax".
    """

    exponentials: UInt32Array
    sum_shift: int
    numerator: int
    zero_point: int

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        (x,) = inputs
        distance = x.max(axis=-1, keepdims=True).astype(np.intp) - x
        e = self.exponentials.astype(np.int64)[distance]
        reciprocal = self.numerator // (e.sum(axis=-1, keepdims=True) >> self.sum_shift)
        y: Int8Array = np.clip(self.zero_point + ((e * reciprocal + 2**31) >> 32), -128, 127).astype(np.int8)
        return y


@dataclass(frozen=True)
class MaskedSoftmax(Op):
    """Softmax of rows in which some elements take no part: they become 0.

    ``mask`` (R, n) is 1 where an element takes part; row r of the input has row ``r % R`` of it, in which at least one
    element takes part. Otherwise as :class:`Softmax`.
    """

    exponentials: UInt32Array
    sum_shift: int
    numerator: int
    zero_point: int
    mask: UInt8Array

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        return inputs[0]

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        (x,) = inputs
        rows, columns = self.mask.shape
        wide = x.reshape(-1, rows, columns).astype(np.intp)
        most = np.where(self.mask, wide, -128).max(axis=-1, keepdims=True)
        e = self.exponentials.astype(np.int64)[np.where(self.mask, most - wide, 0)] * self.mask
        reciprocal = self.numerator // (e.sum(axis=-1, keepdims=True) >> self.sum_shift)
        y: Int8Array = np.clip(self.zero_point + ((e * reciprocal + 2**31) >> 32), -128, 127).astype(np.int8)
        return y.reshape(x.shape)


@dataclass(frozen=True)
class LayerNorm(Rowwise):
    """LayerNorm over the last axis in integers (docs/integer_semantics.md, "LayerNorm")."""

    gamma: Int16Array
    beta: Int32Array
    epsilon: int
    pre_shift: int
    post_shift: int

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        deviations, variance = _deviations(inputs[0])
        variance += self.epsilon
        k = (32 - _bit_length(variance)) // 2
        normalized = np.where(k >= 0, variance << np.maximum(2 * k, 0), variance >> np.maximum(-2 * k, 0))
        root = np.floor(np.sqrt(normalized.astype(np.float64))).astype(np.int64)  # exact: normalized < 2**32
        reciprocal = 2**31 // root
        exponent = k + 11 - self.pre_shift
        m = np.where(exponent >= 0, reciprocal << np.maximum(exponent, 0), reciprocal >> np.maximum(-exponent, 0))
        u = ((deviations << self.pre_shift) * m + 2**31) >> 32
        y: Int8Array = np.clip((u * self.gamma + self.beta) >> self.post_shift, -128, 127).astype(np.int8)
        return y


@dataclass(frozen=True)
class RoundedLayerNorm(Rowwise):
    """LayerNorm over the last axis of a model that rounds the variance to 8 bits (docs/integer_semantics.md).

    The variance has 256 steps, each with its multiplier (``multipliers``, of step 0 first); a row is in step
    ``(V * variance_multiplier + 2**(variance_shift - 1)) >> variance_shift`` after ``first_step``, where V is n^2 times
    its variance in steps of the input. Otherwise as :class:`LayerNorm`, but the normalized value saturates at int16.
    """

    gamma: Int16Array
    beta: Int32Array
    multipliers: Int32Array
    variance_multiplier: int
    variance_shift: int
    first_step: int
    pre_shift: int
    post_shift: int

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        deviations, variance = _deviations(inputs[0])
        half = 1 << (self.variance_shift - 1)
        step = (variance * self.variance_multiplier + half) >> self.variance_shift
        m = self.multipliers.astype(np.int64)[np.clip(step + self.first_step, 0, 255)]
        u = np.clip(((deviations << self.pre_shift) * m + 2**31) >> 32, -(2**15), 2**15 - 1)
        y: Int8Array = np.clip((u * self.gamma + self.beta) >> self.post_shift, -128, 127).astype(np.int8)
        return y


def _deviations(x: Int8Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """n times the distances from the row's mean, and n^2 times the variance (..., 1), of rows of n elements."""
    n, wide = x.shape[-1], x.astype(np.int64)
    s1, s2 = (values.sum(axis=-1, keepdims=True) for values in (wide, wide * wide))
    return n * wide - s1, n * s2 - s1 * s1


def _bit_length(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bits of positive integers below 2**53."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)
