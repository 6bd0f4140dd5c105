# SPDX-License-Identifier: Apache-2.0
"""Averages and maxima of windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyformer.ir.base import (
    Int8Array,
    Op,
    Requantization,
    Shape,
    Tensor,
)
from tinyformer.ir.windows import output_size, padded_image, tap_slices, window_counts


@dataclass(frozen=True)
class AveragePool2D(Op):
    """Sum over the window, requantized; (1, H, W, C) -> (1, H', W', C).

    Cells outside the image add nothing. ``requantization.multipliers`` holds one entry per distinct number of cells
    that windows cover, 1 .. KH*KW (index cells - 1), or a single one where every window counts alike (padding counted
    in). ``zero_point`` is the input's: the accumulator is ``sum(x - zero_point)``. With a ``right_shift`` the product
    is rounded twice, as MEAN of TensorFlow Lite does: half up to an integer, and that half away from zero by the shift.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    zero_point: int
    requantization: Requantization
    right_shift: int = 0

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        return _pooled_shape(inputs[0], self)

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        (x,) = inputs
        padded = padded_image(x, self.padding, self.zero_point)[:, 0]
        acc = np.zeros((len(x), *output.shape[1:]), np.int32)
        for rows, cols in tap_slices(self.kernel, self.stride, (1, 1), output.shape[1:3]):
            acc += padded[:, rows, cols].astype(np.int32) - self.zero_point
        r = self.requantization
        if len(r.multipliers) > 1:
            counts = window_counts(x.shape[2:4], self.kernel, self.stride, self.padding, output.shape[1:3])
            per_position = r.multipliers[counts - 1][:, :, None]
            r = Requantization(per_position, r.shift, r.zero_point, r.low, r.high)
        if self.right_shift:
            product = (acc.astype(np.int64) * 2**r.shift * int(r.multipliers[0]) + 2**31) >> 32
            rounded = (product + 2 ** (self.right_shift - 1) - (product < 0)) >> self.right_shift
            y: Int8Array = np.clip(rounded + r.zero_point, r.low, r.high).astype(np.int8)
            return y
        return r.apply(acc)


@dataclass(frozen=True)
class MaxPool2D(Op):
    """Largest value of the window; cells outside the image do not take part."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        return _pooled_shape(inputs[0], self)

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        (x,) = inputs
        padded = padded_image(x, self.padding, -128)[:, 0]  # -128 never wins, and every window meets the image
        y = np.full((len(x), *output.shape[1:]), -128, np.int8)
        for rows, cols in tap_slices(self.kernel, self.stride, (1, 1), output.shape[1:3]):
            np.maximum(y, padded[:, rows, cols], out=y)
        return y


def _pooled_shape(image: Shape, op: AveragePool2D | MaxPool2D) -> Shape:
    top, bottom, left, right = op.padding
    return (
        1,
        output_size(image[1], op.kernel[0], op.stride[0], top + bottom),
        output_size(image[2], op.kernel[1], op.stride[1], left + right),
        image[3],
    )
