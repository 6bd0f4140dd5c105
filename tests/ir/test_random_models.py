# SPDX-License-Identifier: Apache-2.0
"""Random models of one operator against their runtimes: a few of each kind; ``make fuzz-onnx`` runs thousands."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ir import random_onnx, random_tflite


def seeds(name: str, count: int) -> list[list[int]]:
    return [[i, *map(ord, name)] for i in range(count)]


@pytest.mark.parametrize("name", random_onnx.MODELS)
def test_onnx_operators(name: str) -> None:
    limit = 3.0 if name == "left_in_float" else 1.001
    for seed in seeds(name, 3):
        try:
            mine, theirs = random_onnx.MODELS[name](np.random.default_rng(seed))
        except random_onnx.RUNTIME_ERRORS:
            continue
        assert np.abs(mine - theirs).max() <= limit


@pytest.mark.parametrize("name", random_tflite.MODELS)
def test_tflite_operators(name: str) -> None:
    limit = 1 if name in random_tflite.WITHIN_ONE_STEP else 0
    for seed in seeds(name, 4):
        mine, theirs = random_tflite.MODELS[name](np.random.default_rng(seed))
        assert np.abs(mine - theirs).max() <= limit
