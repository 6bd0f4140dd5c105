# SPDX-License-Identifier: Apache-2.0
"""BatchNorm in inference: one factor and one offset a channel, which the layer before it takes in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def factors_and_offsets(
    gamma: NDArray[np.floating],
    beta: NDArray[np.floating],
    mean: NDArray[np.floating],
    variance: NDArray[np.floating],
    epsilon: float,
) -> tuple[Vector, Vector]:
    """``gamma (x - mean) / sqrt(variance + epsilon) + beta`` as ``x * factors + offsets``, each (C,)."""
    factors = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    return factors, beta - mean.astype(np.float64) * factors


def folded(
    weight: NDArray[np.floating], bias: NDArray[np.floating] | None, factors: Vector, offsets: Vector
) -> tuple[Vector, Vector]:
    """Weight (O, ...) and bias (O,) of a layer that multiplies by ``factors`` (O,) and adds ``offsets`` besides.

    Zero weights stay zero.
    """
    scaled = weight.astype(np.float64) * factors.reshape(-1, *[1] * (weight.ndim - 1))
    return scaled, offsets if bias is None else bias.astype(np.float64) * factors + offsets
