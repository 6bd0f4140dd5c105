# SPDX-License-Identifier: Apache-2.0
"""Every kernel against the NumPy reference, over tables of awkward shapes and over random ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.kernels import random_ops as make
from tests.engine.kernels.harness import check

CONVOLUTIONS = {
    "1x1": {"image": (5, 7, 8), "outputs": 6},
    "1x1 wide": {"image": (4, 4, 64), "outputs": 16},
    "1x1 stride 2": {"image": (5, 7, 12), "outputs": 6, "stride": (2, 2)},
    "1x1 odd channels": {"image": (3, 5, 7), "outputs": 5},
    "1x1 one output": {"image": (3, 5, 8), "outputs": 1},
    "1x1 two pixels": {"image": (1, 2, 20), "outputs": 10},
    "1x1 clamp and shift": {"image": (4, 4, 8), "outputs": 4, "wide": True},
    "3x3": {"image": (6, 5, 8), "outputs": 4, "kernel": (3, 3), "padding": (1, 1, 1, 1)},
    "3x3 unpadded": {"image": (6, 7, 4), "outputs": 6, "kernel": (3, 3)},
    "3x3 stride 2": {"image": (7, 8, 8), "outputs": 7, "kernel": (3, 3), "stride": (2, 2), "padding": (0, 1, 0, 1)},
    "3x3 dilated": {"image": (9, 9, 4), "outputs": 4, "kernel": (3, 3), "padding": (2, 2, 2, 2), "dilation": (2, 2)},
    "3x3 on 2x2": {"image": (2, 2, 16), "outputs": 8, "kernel": (3, 3), "padding": (1, 1, 1, 1)},
    "3x3 bands": {"image": (6, 8, 8), "outputs": 6, "kernel": (3, 3), "padding": (0, 2, 2, 0)},
    "3x3 bands, overlapping": {"image": (5, 7, 12), "outputs": 2, "kernel": (3, 3), "padding": (1, 1, 1, 1)},
    "3x3 bands, wide": {"image": (3, 21, 36), "outputs": 3, "kernel": (3, 3), "padding": (1, 1, 1, 1), "wide": True},
    "3x3 bands, one row": {"image": (1, 4, 4), "outputs": 4, "kernel": (3, 3), "padding": (1, 1, 1, 1)},
    "1x3 bands": {"image": (3, 10, 8), "outputs": 4, "kernel": (1, 3)},
    "5x3 bands": {"image": (7, 8, 20), "outputs": 5, "kernel": (5, 3), "padding": (2, 2, 1, 1)},
    "5x5 bands": {"image": (9, 8, 4), "outputs": 6, "kernel": (5, 5), "padding": (2, 2, 2, 2)},
    "5x5 bands, unpadded": {"image": (6, 12, 16), "outputs": 4, "kernel": (5, 5)},
    "5x3 odd": {"image": (7, 6, 5), "outputs": 3, "kernel": (5, 3), "padding": (2, 2, 1, 1)},
    "7x7 stride 4": {"image": (17, 19, 4), "outputs": 4, "kernel": (7, 7), "stride": (4, 4), "padding": (3, 3, 3, 3)},
    "stem": {"image": (8, 8, 3), "outputs": 8, "kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1)},
    "stem, one channel": {"image": (9, 8, 1), "outputs": 8, "kernel": (3, 3), "padding": (1, 1, 1, 1)},
    "stem, 5x5": {"image": (9, 14, 3), "outputs": 4, "kernel": (5, 5), "padding": (2, 2, 2, 2)},
    "stem, wide": {"image": (4, 19, 6), "outputs": 4, "kernel": (2, 7), "stride": (1, 2), "padding": (0, 1, 3, 3)},
    "stem, larger than the image": {"image": (2, 3, 3), "outputs": 4, "kernel": (4, 5), "padding": (3, 3, 4, 4)},
    "odd channels, dilated": {"image": (6, 6, 5), "outputs": 4, "kernel": (2, 2), "dilation": (2, 2)},
    "1x3 odd channels": {"image": (3, 8, 5), "outputs": 8, "kernel": (1, 3)},
    "grouped": {"image": (5, 5, 12), "outputs": 9, "kernel": (3, 3), "padding": (1, 1, 1, 1), "groups": 3},
    "grouped depthwise": {"image": (5, 5, 6), "outputs": 12, "kernel": (3, 3), "padding": (1, 1, 1, 1), "groups": 6},
    "larger than the image": {"image": (2, 3, 4), "outputs": 4, "kernel": (5, 5), "padding": (2, 2, 2, 2)},
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("sparsity", [0.0, 0.8, 1.0])
def test_convolution(build: Path, name: str, sparsity: float) -> None:
    rng = np.random.default_rng([ord(c) for c in name])
    check(build, *make.conv(rng, **CONVOLUTIONS[name], sparsity=sparsity), rng)


@pytest.mark.parametrize("scratch_limit", [0, 1 << 10, 1 << 12, 1 << 14])
@pytest.mark.parametrize("block", [(2, 2), (2, 4), (1, 4), (4, 4)])
def test_convolution_within_any_scratch(build: Path, scratch_limit: int, block: tuple[int, int]) -> None:
    rng = np.random.default_rng(scratch_limit)
    case = make.conv(rng, (5, 6, 24), 22, kernel=(3, 3), padding=(1, 1, 1, 1), block=block, sparsity=0.6)
    check(build, *case, rng, scratch_limit)


DEPTHWISE = {
    "3x3": {"image": (6, 7, 8)},
    "3x3 stride 2": {"image": (8, 8, 12), "stride": (2, 2), "padding": (0, 1, 0, 1)},
    "3x3 stride 2 odd": {"image": (7, 9, 6), "stride": (2, 2)},
    "5x5": {"image": (7, 7, 9), "kernel": (5, 5), "padding": (2, 2, 2, 2)},
    "5x5 stride 2": {"image": (8, 9, 16), "kernel": (5, 5), "stride": (2, 2), "padding": (2, 2, 2, 2)},
    "7x7": {"image": (8, 8, 4), "kernel": (7, 7), "padding": (3, 3, 3, 3)},
    "7x7 on 4x4": {"image": (4, 4, 10), "kernel": (7, 7), "padding": (3, 3, 3, 3)},
    "1x1": {"image": (4, 4, 5), "kernel": (1, 1), "padding": (0, 0, 0, 0)},
    "3x5": {"image": (6, 7, 8), "kernel": (3, 5), "padding": (1, 1, 2, 2)},
    "dilated": {"image": (8, 8, 4), "padding": (2, 2, 2, 2), "dilation": (2, 2)},
    "unpadded": {"image": (5, 6, 7), "padding": (0, 0, 0, 0)},
    "3x1": {"image": (7, 6, 8), "kernel": (3, 1), "padding": (1, 1, 0, 0)},
    "1x5 stride 2": {"image": (6, 9, 8), "kernel": (1, 5), "stride": (2, 2), "padding": (0, 0, 2, 2)},
    "1x7": {"image": (5, 9, 4), "kernel": (1, 7), "padding": (0, 0, 3, 3)},
    "2x2 stride 2": {"image": (8, 8, 8), "kernel": (2, 2), "stride": (2, 2), "padding": (0, 0, 0, 0)},
    "4x4": {"image": (8, 9, 5), "kernel": (4, 4), "padding": (1, 2, 1, 2)},
    "dilated by rows": {"image": (9, 6, 8), "padding": (3, 3, 1, 1), "dilation": (3, 1)},
    "beyond": {"image": (9, 9, 4), "kernel": (3, 1), "stride": (2, 2), "padding": (1, 1, 0, 0)},
    "one column": {"image": (9, 1, 8)},
    "one row": {"image": (1, 9, 8)},
    "clamp and shift": {"image": (5, 5, 8), "wide": True},
    "many channels": {"image": (3, 4, 70)},
}


@pytest.mark.parametrize("name", DEPTHWISE)
def test_depthwise(build: Path, name: str) -> None:
    rng = np.random.default_rng([ord(c) for c in name])
    check(build, *make.depthwise(rng, **DEPTHWISE[name]), rng)


OTHERS: dict[str, Callable[[np.random.Generator], make.Case]] = {
    "linear": lambda rng: make.linear(rng, (1, 17, 24), 10),
    "linear, one row": lambda rng: make.linear(rng, (1, 64), 10),
    "linear, one odd row": lambda rng: make.linear(rng, (1, 35), 7),
    "linear, sparse": lambda rng: make.linear(rng, (1, 16, 48), 40, sparsity=0.8),
    "linear, sparse row": lambda rng: make.linear(rng, (1, 96), 30, sparsity=0.7),
    "linear, shift": lambda rng: make.linear(rng, (9, 24), 6, wide=True),
    "scores": lambda rng: make.scores(rng, 2, 9, 7, 8),
    "scores, odd": lambda rng: make.scores(rng, 3, 5, 6, 7),
    "scores, few": lambda rng: make.scores(rng, 1, 2, 3, 4),
    "context": lambda rng: make.context(rng, 2, 9, 8, 12),
    "context, odd": lambda rng: make.context(rng, 3, 5, 7, 5),
    "scattered": lambda rng: make.scattered_matmul(rng, 3, 4, 5, 6),
    "add": lambda rng: make.add(rng, (1, 5, 5, 7)),
    "mul": lambda rng: make.mul(rng, (1, 5, 5, 7), broadcast=False),
    "mul, broadcast": lambda rng: make.mul(rng, (1, 5, 5, 7), broadcast=True),
    "lut": lambda rng: make.lut(rng, (1, 37)),
    "softmax": lambda rng: make.softmax(rng, (2, 5, 64)),
    "softmax, odd": lambda rng: make.softmax(rng, (3, 7)),
    "softmax, one": lambda rng: make.softmax(rng, (3, 1)),
    "layer norm": lambda rng: make.layer_norm(rng, (1, 9, 32)),
    "layer norm, odd": lambda rng: make.layer_norm(rng, (5, 19)),
    "layer norm, long": lambda rng: make.layer_norm(rng, (2, 1024)),
    "rounded layer norm": lambda rng: make.rounded_layer_norm(rng, (1, 9, 32)),
    "rounded layer norm, odd": lambda rng: make.rounded_layer_norm(rng, (5, 19), 3.0),
    "rounded layer norm, long": lambda rng: make.rounded_layer_norm(rng, (2, 1024), 1000.0),
    "layer norm, one": lambda rng: make.layer_norm(rng, (3, 1)),
    "average pool": lambda rng: make.pool(rng, (6, 6, 9), (2, 2), (2, 2)),
    "average pool, global": lambda rng: make.pool(rng, (7, 5, 21), (7, 5), (1, 1)),
    "average pool, padded": lambda rng: make.pool(rng, (5, 6, 32), (3, 3), (2, 2), padding=(1, 1, 1, 1)),
    "average pool, many columns": lambda rng: make.pool(rng, (2, 300, 17), (2, 290), (1, 1)),
    "max pool": lambda rng: make.pool(rng, (5, 6, 8), (3, 3), (2, 2), padding=(1, 1, 1, 1), largest=True),
    "concat channels": lambda rng: make.concat(rng, [(1, 3, 4, 5), (1, 3, 4, 2), (1, 3, 4, 8)], 3),
    "concat tokens": lambda rng: make.concat(rng, [(3, 5), (2, 5)], 0),
    "slice channels": lambda rng: make.cut(rng, (1, 3, 4, 9), 3),
    "slice rows": lambda rng: make.cut(rng, (1, 6, 4, 3), 1),
    "pad": lambda rng: make.pad(rng, (1, 3, 4, 5)),
    "pad tokens": lambda rng: make.pad(rng, (4, 5)),
    "transpose": lambda rng: make.transpose(rng, (2, 3, 4, 5)),
    "transpose tokens": lambda rng: make.transpose(rng, (4, 6)),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("seed", range(3))
def test_operator(build: Path, name: str, seed: int) -> None:
    rng = np.random.default_rng([seed, *map(ord, name)])
    check(build, *OTHERS[name](rng), rng)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_random_convolution(build: Path, data: st.DataObject) -> None:
    def draw(low: int, high: int) -> int:
        return data.draw(st.integers(low, high))

    kernel = (draw(1, 5), draw(1, 5))
    dilation = (draw(1, 2), draw(1, 2))
    padding = tuple(draw(0, kernel[i // 2] - 1) for i in range(4))
    reach = tuple(dilation[i] * (kernel[i] - 1) + 1 for i in range(2))
    extent = [max(draw(1, 9), reach[i] - padding[2 * i] - padding[2 * i + 1]) for i in range(2)]
    groups = data.draw(st.sampled_from([1, 1, 1, 2]))
    rng = np.random.default_rng(draw(0, 2**32 - 1))
    case = make.conv(
        rng,
        (*extent, groups * draw(1, 18)),
        groups * draw(1, 9),
        kernel=kernel,
        stride=(draw(1, 3), draw(1, 3)),
        padding=padding,
        dilation=dilation,
        groups=groups,
        block=data.draw(st.sampled_from([(2, 2), (2, 4), (1, 4), (4, 2)])),
        sparsity=data.draw(st.sampled_from([0.0, 0.5, 0.9])),
        wide=data.draw(st.booleans()),
    )
    check(build, *case, rng, data.draw(st.sampled_from([0, 2000, 8000, 1 << 16])))
