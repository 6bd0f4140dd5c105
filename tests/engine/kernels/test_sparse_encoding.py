# SPDX-License-Identifier: Apache-2.0
"""The sparse encoding: what is stored can be read back, and is small."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.kernels.random_ops import block_sparse
from tinyformer.engine.packing.sparse_encoding import BLOCKS, decode, encode


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    outputs=st.integers(4, 40),
    inputs=st.integers(1, 200),
    block=st.sampled_from(BLOCKS),
    sparsity=st.sampled_from([0.0, 0.3, 0.8, 0.97, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_round_trip(outputs: int, inputs: int, block: tuple[int, int], sparsity: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-127, 128, (outputs, 1, inputs)).astype(np.int8)
    weights = block_sparse(rng, weights, block, sparsity)[:, 0]
    np.testing.assert_array_equal(decode(encode(weights, block)), weights)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("shape", [(128, 64), (96, 192), (32, 288), (64, 48)])
def test_at_most_1_3_bytes_per_kept_weight(block: tuple[int, int], shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    weights = rng.integers(1, 128, (shape[0], 1, shape[1])).astype(np.int8)
    weights = block_sparse(rng, weights, block, 0.8)[:, 0]
    assert encode(weights, block).nbytes <= 1.3 * np.count_nonzero(weights)


def test_documented_example() -> None:
    weights = np.zeros((2, 8), np.int8)
    weights[0, 1], weights[1, 7] = 5, -3
    matrix = encode(weights, (2, 2))
    assert matrix.index.tobytes() == bytes.fromhex("2011")
    assert matrix.weights.tolist() == [5, 0, 0, 0, 0, 0, 0, -3]


def test_long_numbers_take_several_digits() -> None:
    weights = np.zeros((2, 4 * 100), np.int8)
    weights[0, 4 * 15] = weights[0, 4 * 99] = 1
    np.testing.assert_array_equal(decode(encode(weights, (2, 4))), weights)
