# SPDX-License-Identifier: Apache-2.0
"""Layouts as positions: any chain of views that transposes can be moved into order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tinyformer.ir.graph import LARGEST_RANK
from tinyformer.ir.lowering.layout import in_order, is_stored, storage_order, strides, transpositions

shapes = st.lists(st.integers(1, 4), min_size=1, max_size=6)


@given(shapes.flatmap(lambda shape: st.tuples(st.just(tuple(shape)), st.permutations(range(len(shape))))))
def test_transpositions_move_the_data(case: tuple[tuple[int, ...], list[int]]) -> None:
    shape, order = case
    data = np.arange(np.prod(shape)) * 7
    source = np.arange(data.size, dtype=np.int32).reshape(shape).transpose(order)
    moves = transpositions(source)
    assert moves is not None
    moved = data
    for move in moves:
        assert len(move.shape) <= LARGEST_RANK
        moved = moved.reshape(move.shape).transpose(move.permutation)
        moved = np.ascontiguousarray(moved)
    assert np.array_equal(moved.reshape(-1), data[source.reshape(-1)])


def test_what_is_no_transposition_is_refused() -> None:
    assert transpositions(np.array([0, 1, 3, 2], np.int32)) is None
    assert transpositions(np.array([0, 2, 1, 3, 5, 4], np.int32)) is None


@given(shapes.flatmap(lambda shape: st.tuples(st.just(tuple(shape)), st.permutations(range(len(shape))))))
def test_storage_order_is_found(case: tuple[tuple[int, ...], list[int]]) -> None:
    shape, order = case
    positions = in_order(shape, tuple(order))
    assert is_stored(positions, tuple(order))
    found = storage_order(positions, tuple(shape[axis] for axis in order))
    assert found is not None
    assert is_stored(positions, found)
    steps = strides(positions)
    assert steps is not None
    index = tuple(size - 1 for size in shape)
    assert sum(step * i for step, i in zip(steps, index, strict=True)) == positions[index]


def test_an_image_keeps_its_layout_where_axes_of_one_leave_a_choice() -> None:
    image = in_order((1, 8, 1, 1), (0, 2, 3, 1))
    assert storage_order(image, (1, 1, 1, 8)) == (0, 2, 3, 1)
    assert storage_order(image, (1, 8, 1, 1)) == (0, 1, 2, 3)


def test_reshaping_across_a_transposition_is_not_affine() -> None:
    image = in_order((1, 3, 4, 5), (0, 2, 3, 1))
    assert strides(image.reshape(1, 60)) is None
    assert storage_order(image.reshape(1, 60), (1, 4, 5, 3)) is None
    assert storage_order(image.reshape(1, 3, 20).transpose(0, 2, 1), (1, 4, 5, 3)) == (0, 1, 2)
