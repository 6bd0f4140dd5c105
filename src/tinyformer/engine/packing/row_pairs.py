# SPDX-License-Identifier: Apache-2.0
"""Row pairs: the weight layout of the matrix kernels (``tf_matrix.h``), and the scratch they need.

An output's weights are flattened in the order (tap, input channel) and padded with zeros to a multiple of 4. Two
neighbouring outputs form a row pair, two inputs (2 apart, `tinyformer.ir.blocks`) an input pair; where both meet lie
four weights, stored as (output 0, output 1) at the first input, then at the second.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir.arithmetic import accumulator_range, fits_int32
from tinyformer.ir.blocks import to_blocks
from tinyformer.ir.graph import Conv2D, DepthwiseConv2D, Tensor

TILE_PIXELS = 4
"""Output pixels that the matrix kernels compute at a time."""

LARGEST_WEIGHT_SHIFT = 8
"""Widened weights are int16."""


def row_pair_words(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Row pairs of ``weights`` (O, ...) with O >= 2, as stored: (row pairs, input pairs, 4).

    If O is odd, the last row pair overlaps the one before.
    """
    first = row_pair_outputs(len(weights))
    flat = weights.reshape(len(weights), 1, -1)
    blocks = to_blocks(flat[np.stack([first, first + 1], axis=1).reshape(-1)], (2, 2))[:, 0]
    return np.ascontiguousarray(blocks.transpose(0, 1, 3, 2)).reshape(*blocks.shape[:2], 4)


def in_tile_order(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """``weights`` (O, KH, KW, I) as (O, KH * KW * I) in the order in which ``tf_gather_tile`` widens inputs.

    Where I is no multiple of 4, the inputs of a window's row beyond a multiple of 4 come after those of all rows.
    """
    rows = weights.reshape(*weights.shape[:2], -1)
    whole = rows.shape[2] // 4 * 4 if weights.shape[3] % 4 else rows.shape[2]
    parts = rows[..., :whole], rows[..., whole:]
    return np.concatenate([part.reshape(len(weights), -1) for part in parts], axis=1)


def row_pair_outputs(outputs: int) -> NDArray[np.intp]:
    """First output of every row pair."""
    return np.minimum(np.arange(0, outputs, 2), outputs - 2)


def pair_channels(op: Conv2D, first: NDArray[np.intp], bias_shift: int) -> NDArray[np.int32]:
    """Two biases and two multipliers for each of the row pairs that begin with the outputs ``first``, flattened.

    Biases are shifted left, as accumulators of shifted weights need it.
    """
    rows = first[:, None] + np.arange(2)
    multipliers = np.broadcast_to(op.requantization.multipliers, len(op.bias))
    return np.concatenate([(op.bias << bias_shift)[rows], multipliers[rows]], axis=1).astype(np.int32).reshape(-1)


def admits(op: Conv2D, y: Tensor) -> bool:
    """Whether the matrix kernels for at least :data:`TILE_PIXELS` pixels serve this convolution."""
    pixels = y.size // y.shape[-1]
    if op.dilation != (1, 1) and op.weights.shape[-1] % 4:
        return False
    return op.groups == 1 and pixels >= TILE_PIXELS and len(op.weights) >= 2 and shift_folds(op)


def ungrouped(op: Conv2D) -> Conv2D:
    """``op`` in one group, with zero weights between outputs and inputs of different groups."""
    if op.groups == 1:
        return op
    outputs, height, width, inputs = op.weights.shape
    weights = np.zeros((op.groups, outputs // op.groups, height, width, op.groups, inputs), np.int8)
    for group, own in enumerate(np.split(op.weights, op.groups)):
        weights[group, :, :, :, group] = own
    return replace(op, weights=weights.reshape(outputs, height, width, -1), groups=1)


def shift_folds(op: Conv2D | DepthwiseConv2D) -> bool:
    """Whether the requantization's shift can be applied to the weights: int16 holds them, and nothing saturates."""
    shift = op.requantization.shift
    largest = int(np.abs(op.weights.astype(np.int32)).max(initial=0))
    outputs_first = op.weights if isinstance(op, Conv2D) else np.moveaxis(op.weights, -1, 0)
    low, high = accumulator_range(outputs_first, op.bias)
    fits = (largest << shift) < 2**15 and fits_int32((low << shift, high << shift))
    return shift == 0 or (shift <= LARGEST_WEIGHT_SHIFT and fits)


def tiled(count: int) -> int:
    """``count`` rounded up to whole tiles."""
    return -(-count // TILE_PIXELS) * TILE_PIXELS


def balanced_groups(items: int, most: int) -> int:
    """Size of equal groups of at most ``most`` that cover ``items``."""
    groups = -(-items // most)
    return -(-items // groups)
