# SPDX-License-Identifier: Apache-2.0
"""Images of another size, by linear interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyformer.ir.base import Int8Array, Int16Array, Int32Array, Op, Requantization, Shape, Tensor

WEIGHT_BITS = 11
"""Fractional bits of the weights along one axis."""
DROPPED_BITS = 8
"""Fractional bits of the sum that its requantization does not see."""


@dataclass(frozen=True)
class Line:
    """Where the cells of one axis come from: cell i lies between ``first[i]`` and ``second[i]``.

    ``weights[i]``, 0 .. 2**11, is that of ``second[i]``, the rest of 2**11 that of ``first[i]``.
    """

    first: Int32Array
    second: Int32Array
    weights: Int16Array


@dataclass(frozen=True)
class Interpolate(Op):
    """(1, H, W, C) -> (1, H', W', C), every cell the weighted mean of four.

    On the same scale (no ``requantization``) the sum of the four, with 22 fractional bits, is rounded half up, or half
    away from zero with ``away_from_zero``. Else ``input_zero_point`` is taken from it, and its upper 24 bits are
    requantized; the requantization's shift is 0.
    """

    rows: Line
    columns: Line
    away_from_zero: bool = False
    input_zero_point: int = 0
    requantization: Requantization | None = None

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        return (1, len(self.rows.first), len(self.columns.first), inputs[0][3])

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        (x,) = inputs
        one = 2**WEIGHT_BITS
        wide = x[:, 0].astype(np.int32)
        below = self.rows.weights.astype(np.int32)[:, None, None]
        lines = wide[:, self.rows.first] * (one - below) + wide[:, self.rows.second] * below
        right = self.columns.weights.astype(np.int32)[:, None]
        total = lines[:, :, self.columns.first] * (one - right) + lines[:, :, self.columns.second] * right
        if self.requantization is not None:
            wide_zero = self.input_zero_point << 2 * WEIGHT_BITS
            return self.requantization.apply((total - wide_zero + 2 ** (DROPPED_BITS - 1)) >> DROPPED_BITS)
        half = 2 ** (2 * WEIGHT_BITS - 1) - (self.away_from_zero & (total < 0))
        y: Int8Array = ((total + half) >> 2 * WEIGHT_BITS).astype(np.int8)
        return y
