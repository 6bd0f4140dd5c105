# SPDX-License-Identifier: Apache-2.0
"""The integer rules against real arithmetic in double precision: deviations in LSB, ranges, degenerate values."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyformer.errors import TinyFormerError
from tinyformer.ir import arithmetic
from tinyformer.ir import graph as ir
from tinyformer.ir.reference import execute_op


class Q(NamedTuple):
    """A quantization."""

    scale: float
    zero_point: int


seeds = st.integers(0, 2**32 - 1)
zero_points = st.integers(-128, 127)


def run(op: ir.Op, *inputs: np.ndarray) -> np.ndarray:
    """Execute a row operator whose output has the shape of its first input."""
    return execute_op(op, list(inputs), ir.Tensor("y", inputs[0].shape[1:], 1.0, 0))


def real_outputs(values: np.ndarray, y: Q) -> np.ndarray:
    """Real values in output steps, saturated, not rounded."""
    return np.clip(values / y.scale + y.zero_point, -128, 127)


@given(st.lists(st.floats(1e-9, 300.0), min_size=1, max_size=4), zero_points, seeds)
def test_requantization_is_within_rounding_of_real_multiplication(
    reals: list[float], zero_point: int, seed: int
) -> None:
    r = arithmetic.requantization(reals, zero_point)
    assert r.multipliers.min() >= 0
    assert 0 <= r.shift <= 10
    assert r.shift == 0 or max(reals) >= 0.4999
    acc = np.random.default_rng(seed).integers(-(2**20), 2**20, (200, len(reals)))
    acc[:20] //= 2**17
    exact = np.clip(np.minimum(reals, 256.0) * acc + zero_point, -128, 127)
    allowed = 0.5 + np.abs(acc) * 2.0 ** (r.shift - 33) + 1e-6
    assert np.all(np.abs(r.apply(acc) - exact) <= allowed)


def test_requantization_rounds_half_up_once() -> None:
    r = arithmetic.requantization(0.25, 0)
    assert r.apply(np.array([[-6], [-2], [2], [6]])).ravel().tolist() == [-1, 0, 1, 2]


def test_requantization_saturates_huge_accumulators() -> None:
    r = arithmetic.requantization([3.0], -5)
    extremes = np.array([[-(2**31)], [2**31 - 1]], np.int64)
    assert r.apply(extremes).ravel().tolist() == [-128, 127]


@pytest.mark.parametrize("real", [-0.1, float("nan"), float("inf")])
def test_bad_multiplier_is_refused(real: float) -> None:
    with pytest.raises(TinyFormerError, match="scale"):
        arithmetic.quantize_multiplier([real])


@given(st.floats(1e-4, 1), st.floats(1e-4, 1), st.floats(1e-3, 1), zero_points, zero_points, zero_points, seeds)
def test_add(sa: float, sb: float, sy: float, za: int, zb: int, zy: int, seed: int) -> None:
    a, b, y = Q(sa, za), Q(sb, zb), Q(sy, zy)
    p = arithmetic.add_parameters(a, b, y)
    assert abs(p.multiplier_a) < 2**15
    assert abs(p.multiplier_b) < 2**15
    assert abs(p.offset) + 2 * 128 * 2**15 < 2**31
    if max(sa, sb) / sy > 256:
        return
    rng = np.random.default_rng(seed)
    qa, qb = (rng.integers(-128, 128, (1, 500)).astype(np.int8) for _ in "ab")
    op = ir.Add("add", ("a", "b"), "y", p.multiplier_a, p.multiplier_b, p.offset, p.shift, -128, 127)
    exact = real_outputs(sa * (qa.astype(float) - za) + sb * (qb.astype(float) - zb), y)
    allowed = 0.5 + (128 + 128 + 1) * 0.5 / 2**p.shift
    assert np.all(np.abs(run(op, qa, qb) - exact) <= allowed + 1e-9)


@given(
    st.sampled_from([1, 2, 5, 16, 49, 64, 196, 256]),
    st.floats(0.005, 0.5),
    st.sampled_from([1 / 256, 1 / 255, 1 / 127]),
    seeds,
)
def test_softmax_is_within_one_lsb(n: int, scale_x: float, scale_y: float, seed: int) -> None:
    y = Q(scale_y, -128)
    p = arithmetic.softmax_parameters(n, Q(scale_x, 0), y)
    x = np.random.default_rng(seed).integers(-128, 128, (1, 30, n)).astype(np.int8)
    x[0, 0] = -128  # uniform rows
    x[0, 1] = 127
    x[0, 2, 1:] = -128  # one winner
    real = np.exp(scale_x * (x - x.max(axis=-1, keepdims=True).astype(float)))
    exact = real_outputs(real / real.sum(axis=-1, keepdims=True), y)
    op = ir.Softmax("softmax", ("x",), "y", p.exponentials, p.sum_shift, p.numerator, -128)
    assert np.abs(run(op, x) - exact).max() <= 0.52


@given(st.integers(1, 2**20), st.floats(2.0**-20, 1.0), st.floats(1e-6, 10))
def test_softmax_ranges(n: int, scale_y: float, scale_x: float) -> None:
    try:
        p = arithmetic.softmax_parameters(n, Q(scale_x, 0), Q(scale_y, 0))
    except TinyFormerError:
        return
    largest_sum = n * int(p.exponentials[0])
    assert largest_sum <= 2**31
    assert int(p.exponentials[0]) >> p.sum_shift >= 4
    assert p.numerator // (int(p.exponentials[0]) >> p.sum_shift) <= 2**30
    assert p.numerator < 2**32


@pytest.mark.parametrize("n", [1, 2, 3, 7, 16, 64, 96, 192, 384, 640, 1024])
@settings(max_examples=15)
@given(
    scale_x=st.floats(1e-3, 0.5),
    gain=st.floats(0.05, 3.0),
    span=st.floats(2.0, 8.0),
    zero_point=st.integers(-40, 40),
    seed=seeds,
)
def test_layernorm(n: int, scale_x: float, gain: float, span: float, zero_point: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    gamma = gain * rng.normal(1, 0.3, n)
    beta = gain * rng.normal(0, 0.3, n)
    y = Q(2 * span * gain / 256, zero_point)
    p = arithmetic.layernorm_parameters(gamma, beta, 1e-5, Q(scale_x, 3), y)
    x = layernorm_rows(rng, n)
    op = ir.LayerNorm("norm", ("x",), "y", p.gamma, p.beta, p.epsilon, p.pre_shift, p.post_shift)
    real = scale_x * (x.astype(float) - 3)
    centred = real - real.mean(axis=-1, keepdims=True)
    epsilon = p.epsilon * scale_x**2 / n**2  # differs from 1e-5 by rounding only, or is at its least, 1
    assert epsilon == pytest.approx(1e-5, abs=scale_x**2 / n**2)
    normalized = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)
    exact = real_outputs(normalized * gamma + beta, y)
    assert np.abs(run(op, x) - exact).max() <= 0.7


def layernorm_rows(rng: np.random.Generator, n: int) -> np.ndarray:
    """Rows (1, R, n): noise of every size, outliers, two-level rows, constants."""
    spread = rng.choice([1, 3, 10, 40, 127], (1, 40, 1))
    x = np.clip(rng.normal(rng.integers(-50, 50, (1, 40, 1)), spread, (1, 40, n)), -128, 127)
    x[0, 0] = 77
    x[0, 1] = -128
    x[0, 2] = np.where(rng.random(n) < 0.5, -128, 127)
    x[0, 3] = -128
    x[0, 3, 0] = 127
    x[0, 4] = 5
    x[0, 4, -1] = 6
    return np.rint(x).astype(np.int8)


@pytest.mark.parametrize("n", [1, 2, 17, 64, 700, 1024])
@pytest.mark.parametrize("epsilon", [0.0, 1e-5, 1.0, 1e12])
def test_layernorm_ranges(n: int, epsilon: float) -> None:
    """The intermediate values stay where docs/integer_semantics.md says, for extreme rows and every size of epsilon."""
    p = arithmetic.layernorm_parameters(np.full(n, 4.0), np.full(n, -9.0), epsilon, Q(0.001, 0), Q(0.03, 10))
    x = layernorm_rows(np.random.default_rng(0), n)[0].astype(object)
    for row in x:
        s1, s2 = sum(row), sum(v * v for v in row)
        assert s2 <= 2**24
        assert abs(s1) <= 2**17
        v = int(n * s2 - s1 * s1 + p.epsilon)
        assert 1 <= v < 2**49
        k = (32 - v.bit_length()) // 2
        scaled = v << 2 * k if k >= 0 else v >> -2 * k
        assert 2**30 <= scaled < 2**32
        root = int(np.floor(np.sqrt(float(scaled))))
        assert root * root <= scaled < (root + 1) ** 2
        reciprocal = 2**31 // root
        assert 2**15 <= reciprocal <= 2**16
        exponent = k + 11 - p.pre_shift
        m = reciprocal << exponent if exponent >= 0 else reciprocal >> -exponent
        assert m <= 2**30
        for value in (min(row), max(row)):
            left = (n * value - s1) << p.pre_shift
            assert abs(left) < 2**30
            u = (left * m + 2**31) >> 32
            assert abs(u) < 2**15
            assert abs(u * int(p.gamma[0])) + abs(int(p.beta[0])) < 2**31


def test_layernorm_of_constant_rows_is_beta() -> None:
    beta = np.array([0.5, -1.0, 0.0])
    p = arithmetic.layernorm_parameters(np.ones(3), beta, 0.0, Q(0.1, 0), Q(0.05, -7))
    op = ir.LayerNorm("norm", ("x",), "y", p.gamma, p.beta, p.epsilon, p.pre_shift, p.post_shift)
    x = np.array([[[4, 4, 4], [-128, -128, -128]]], np.int8)
    assert run(op, x).tolist() == [[[3, -27, -7], [3, -27, -7]]]


def test_too_long_layernorm_is_refused() -> None:
    with pytest.raises(TinyFormerError, match="1024"):
        arithmetic.layernorm_parameters(np.ones(1025), np.zeros(1025), 1e-5, Q(0.1, 0), Q(0.1, 0))


def test_lut_rounds_half_to_even_saturates_and_survives_nan() -> None:
    table = arithmetic.lut(lambda x: x, Q(0.5, 0), Q(1.0, 0))
    assert [table[q + 128] for q in (-3, -1, 0, 1, 3, 127)] == [-2, 0, 0, 0, 2, 64]
    assert arithmetic.lut(np.sqrt, Q(1.0, 0), Q(0.5, 3))[0] == 3
    assert arithmetic.lut(lambda x: 1 / x, Q(1.0, 0), Q(0.5, 3))[128] == 127


@given(seeds, zero_points)
def test_bias_folding_and_accumulator_range(seed: int, zero_point: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-127, 128, (3, 2, 2, 5)).astype(np.int8)
    bias = arithmetic.fold_bias(rng.normal(size=3), weights, 0.02, np.full(3, 0.01), zero_point)
    low, high = arithmetic.accumulator_range(weights, bias)
    x = rng.choice([-128, 127], (300, 2, 2, 5)).astype(np.int64)
    acc = np.tensordot(x, weights.astype(np.int64), ([1, 2, 3], [1, 2, 3])) + bias
    assert low <= acc.min()
    assert acc.max() <= high
    best = np.where(weights[0] > 0, 127, -128).astype(np.int64)
    assert (best * weights[0]).sum() + bias[0] <= high
