# SPDX-License-Identifier: Apache-2.0
"""Scales and zero points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyformer.compression.ranges import Statistics, affine, choose_range, weight_scales

REALS = st.floats(-1e6, 1e6, width=32)


@given(REALS, REALS)
def test_zero_is_exact_and_the_range_is_covered(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    quantization = affine((low, high))
    assert -128 <= quantization.zero_point <= 127
    assert quantization.quantize(np.array([0.0]))[0] == quantization.zero_point
    for value in (low, high):
        real = (int(quantization.quantize(np.array([value]))[0]) - quantization.zero_point) * quantization.scale
        assert abs(real - value) <= quantization.scale * 1.001


def statistics(values: np.ndarray) -> Statistics:
    low, high = float(values.min()), float(values.max())
    return Statistics(low, high, np.histogram(values, 2048, (low, high))[0])


def squared_error(values: np.ndarray, limits: tuple[float, float]) -> float:
    quantization = affine(limits)
    real = (quantization.quantize(values).astype(np.float64) - quantization.zero_point) * quantization.scale
    return float(np.sum((real - values) ** 2))


@pytest.mark.parametrize("tail", [3.0, 8.0])
def test_least_squares_beats_the_extremes_where_there_are_outliers(tail: float) -> None:
    values = np.append(np.random.default_rng(0).normal(size=200_000), [tail, -tail])
    extremes = squared_error(values, (values.min(), values.max()))
    chosen = squared_error(values, choose_range(statistics(values), "mse", 99.99))
    assert chosen <= extremes * 1.001
    if tail == 8.0:
        assert chosen < 0.8 * extremes


def test_the_percentile_drops_its_share_at_each_end() -> None:
    values = np.random.default_rng(0).uniform(-1, 3, 100_000)
    low, high = choose_range(statistics(values), "percentile", 98.0)
    assert low == pytest.approx(-0.96, abs=0.01)
    assert high == pytest.approx(2.96, abs=0.01)


def test_weight_scales_reach_127_and_never_fall_below_the_floor() -> None:
    weights = np.array([[[1.27, -0.5]], [[0.0, 0.0]], [[-254.0, 3.0]]])
    np.testing.assert_allclose(weight_scales(weights, 1e-3), [0.01, 1e-3, 2.0], rtol=1e-6)
