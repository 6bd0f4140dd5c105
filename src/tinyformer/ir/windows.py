# SPDX-License-Identifier: Apache-2.0
"""Geometry of sliding windows over an image: which cells a convolution or pooling window reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Number of window positions along one axis (floor); ``padding`` is that of both sides together."""
    return (size + padding - dilation * (kernel - 1) - 1) // stride + 1


def tap_slices(
    kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...], output: tuple[int, ...]
) -> list[tuple[slice, slice]]:
    """For every tap, row by row, the (rows, columns) of the padded image that it reads over all outputs."""

    def along(axis: int, tap: int) -> slice:
        begin = tap * dilation[axis]
        return slice(begin, begin + (output[axis] - 1) * stride[axis] + 1, stride[axis])

    return [(along(0, i), along(1, j)) for i in range(kernel[0]) for j in range(kernel[1])]


def window_counts(
    image: tuple[int, ...],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    output: tuple[int, ...],
) -> NDArray[np.intp]:
    """Cells inside the image that each window covers, shape (H', W')."""
    top, _, left, _ = padding

    def along(size: int, taps: int, step: int, before: int, positions: int) -> NDArray[np.intp]:
        begin = np.arange(positions) * step - before
        return np.minimum(begin + taps, size) - np.maximum(begin, 0)

    rows = along(image[0], kernel[0], stride[0], top, output[0])
    cols = along(image[1], kernel[1], stride[1], left, output[1])
    return rows[:, None] * cols


def padded_image(x: NDArray[np.int8], padding: tuple[int, int, int, int], value: int) -> NDArray[np.int8]:
    """Pad (N, 1, H, W, C) by (top, bottom, left, right)."""
    top, bottom, left, right = padding
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value)
