# SPDX-License-Identifier: Apache-2.0
"""From real ranges to scales and zero points, and how a range is chosen from what was observed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir.pixels import PIXELS
from tinyformer.ir.quantization import Quantization

Observer: TypeAlias = Literal["minmax", "percentile", "mse"]
Range: TypeAlias = tuple[float, float]

_CLIPPING = np.linspace(1.0, 0.2, 81)
"""Fractions of the observed extremes that the MSE observer tries."""


PIXEL = Quantization(PIXELS.scale, 0)
"""The network's input, one step a pixel: without loss."""

SOFTMAX = Quantization(1 / 256, -128)
"""Probabilities, 0 .. 255/256."""


@dataclass
class Statistics:
    """What was seen of one activation."""

    low: float
    high: float
    counts: NDArray[np.int64]
    """Histogram over ``low .. high``; empty unless it was asked for."""
    channel_means: NDArray[np.float64] | None = None


def affine(limits: Range) -> Quantization:
    """The asymmetric quantization of ``limits``, widened to hold zero exactly (Jacob et al., arXiv 1712.05877).

    The scale is a float32 value.
    """
    low, high = min(limits[0], 0.0), max(limits[1], 0.0)
    scale = float(np.float32(max((high - low) / 255, 2.0**-40)))
    return Quantization(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)))


def choose_range(seen: Statistics, observer: Observer, percentile: float) -> Range:
    """The range to represent: all that was seen, all but the outermost values, or the one of least squared error."""
    match observer:
        case "minmax":
            return seen.low, seen.high
        case "percentile":
            return _percentile_range(seen, percentile)
        case "mse":
            return _least_squares_range(seen)


def _percentile_range(seen: Statistics, percentile: float) -> Range:
    """Drop (100 - percentile) % of the values, half of them at each end."""
    edges = np.linspace(seen.low, seen.high, len(seen.counts) + 1)
    below = np.cumsum(seen.counts)
    dropped = below[-1] * (100 - percentile) / 200
    first = int(np.searchsorted(below, dropped, side="right"))
    last = int(np.searchsorted(below, below[-1] - dropped, side="left"))
    return float(edges[first]), float(edges[last + 1])


def _least_squares_range(seen: Statistics) -> Range:
    """Shrink both ends alternately to where clipping and rounding errors together are least.

    The error of a bin is that of its centre; one of the two ends is held while the other is chosen.
    """
    edges = np.linspace(seen.low, seen.high, len(seen.counts) + 1)
    centres = (edges[:-1] + edges[1:]) / 2

    def error(low: float, high: float) -> float:
        quantization = affine((low, high))
        real = quantization.real(quantization.quantize(centres))
        return float(np.sum(seen.counts * (real - centres) ** 2))

    low, high = seen.low, seen.high
    for _ in range(2):
        high = min((high_ for high_ in _CLIPPING * seen.high), key=lambda value: error(low, value))
        low = min((low_ for low_ in _CLIPPING * seen.low), key=lambda value: error(value, high))
    return float(low), float(high)


def weight_scales(weights: NDArray[np.float64], floor: float) -> NDArray[np.float32]:
    """Symmetric scales of (channels, ...) weights, one a channel, so that the largest becomes 127.

    A channel of (nearly) nothing but zeros gets ``floor``, below which the accumulator of a layer whose output is its
    bias would need more than 32 bits.
    """
    largest = np.abs(weights).reshape(len(weights), -1).max(axis=1)
    scales: NDArray[np.float32] = np.maximum(largest / 127, floor).astype(np.float32)
    return scales
