# SPDX-License-Identifier: Apache-2.0
"""Weight blocks: the unit that pruning removes, the encodings store and the sparse kernels multiply.

A weight matrix is seen as (outputs, positions, inputs), positions being the taps of a k x k kernel (1 for linear and
1x1). A block of shape ``(rows, pairs * 2)`` covers ``rows`` neighbouring outputs and input *pairs* at one tap. The
inputs of a pair are two apart: within every group of four, pair 0 is (0, 2) and pair 1 is (1, 3), because one SXTB16 of
a four-byte word yields exactly those two int16 pairs (SXTB16 w -> bytes 0, 2; SXTB16 w, ROR #8 -> bytes 1, 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def pair_order(inputs: int) -> NDArray[np.intp]:
    """Input channels in pair order: positions 2p and 2p + 1 form pair p. Shape (inputs rounded up to a multiple of 4,).

    Entries >= ``inputs`` are padding.
    """
    group = np.array([0, 2, 1, 3])
    groups = -(-inputs // 4)
    order: NDArray[np.intp] = (np.arange(groups)[:, None] * 4 + group).reshape(-1)
    return order


def to_blocks(weights: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """View (O, taps, I) weights as blocks (O/rows, taps, I'/cols, rows, cols), zero-padded, inputs in pair order.

    ``shape`` is (rows, cols) with an even number of columns. Works on any dtype.
    """
    rows, cols = shape
    outputs, taps, inputs = weights.shape
    order = pair_order(inputs)
    padded_outputs = -(-outputs // rows) * rows
    padded_inputs = -(-len(order) // cols) * cols
    padded = np.zeros((padded_outputs, taps, padded_inputs), weights.dtype)
    real = order < inputs
    padded[:outputs, :, np.flatnonzero(real)] = weights[:, :, order[real]]
    blocks = padded.reshape(padded_outputs // rows, rows, taps, padded_inputs // cols, cols)
    return blocks.transpose(0, 2, 3, 1, 4)


def from_blocks(blocks: NDArray[Any], outputs: int, inputs: int) -> NDArray[Any]:
    """Inverse of :func:`to_blocks`: (O, taps, I)."""
    row_groups, taps, col_groups, rows, cols = blocks.shape
    padded = blocks.transpose(0, 3, 1, 2, 4).reshape(row_groups * rows, taps, col_groups * cols)
    order = pair_order(inputs)
    real = order < inputs
    weights = np.zeros((outputs, taps, inputs), blocks.dtype)
    weights[:, :, order[real]] = padded[:outputs, :, np.flatnonzero(real)]
    return weights
