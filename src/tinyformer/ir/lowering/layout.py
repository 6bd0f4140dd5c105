"""Where the elements of a tensor are: layouts as arrays of storage positions.

A logical tensor (as the source model shapes it) is a storage tensor and an array of the logical shape that holds the
storage position of every element. Transposing or reshaping it is NumPy on that array and costs nothing at run time;
data moves only when an operator needs an order that the storage does not have.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Positions: TypeAlias = NDArray[np.int32]
Order: TypeAlias = tuple[int, ...]
"""Logical axes in storage order, slowest first."""

CHANNELS_LAST: Order = (0, 2, 3, 1)


def in_order(shape: tuple[int, ...], order: Order) -> Positions:
    """Positions of a tensor of logical ``shape`` that is stored densely with its axes in ``order``."""
    stored = tuple(shape[axis] for axis in order)
    return np.arange(int(np.prod(stored)), dtype=np.int32).reshape(stored).transpose(np.argsort(order))


def is_stored(positions: Positions, order: Order) -> bool:
    """Whether the storage holds the axes densely in ``order``."""
    flat = positions.transpose(order).reshape(-1)
    return bool(np.array_equal(flat, np.arange(flat.size)))


def storage_order(positions: Positions, stored_shape: tuple[int, ...], last: int | None = None) -> Order | None:
    """An order of the logical axes that the storage has, with axis ``last`` at the end if given; None if there is none.

    Where axes of size 1 leave a choice, the one that matches ``stored_shape`` is preferred, then the logical order.
    """
    rank = positions.ndim
    candidates = [tuple(range(rank))]
    if rank == 4:
        candidates.append(CHANNELS_LAST)
    candidates.append(_by_stride(positions))
    shape = positions.shape
    candidates.sort(key=lambda order: tuple(shape[axis] for axis in order) != stored_shape)
    for order in candidates:
        if (last is None or order[-1] == last) and is_stored(positions, order):
            return order
    return None


def _by_stride(positions: Positions) -> Order:
    """Axes by falling stride, those of size 1 first."""

    def stride(axis: int) -> float:
        if positions.shape[axis] == 1:
            return np.inf
        first = positions[(0,) * axis]
        return float(first[1].flat[0]) - float(first[0].flat[0])

    return tuple(sorted(range(positions.ndim), key=lambda axis: -stride(axis)))


def strides(positions: Positions) -> tuple[int, ...] | None:
    """Element stride of every axis if position 0 comes first and the layout is affine, else None. 0 for axes of size
    1."""
    steps = []
    expected: NDArray[np.int64] = np.zeros((1,) * positions.ndim, np.int64)
    for axis, size in enumerate(positions.shape):
        first = positions[(0,) * axis]
        step = int(first[1].flat[0]) - int(first[0].flat[0]) if size > 1 else 0
        steps.append(step)
        shape = tuple(size if i == axis else 1 for i in range(positions.ndim))
        expected = expected + (np.arange(size, dtype=np.int64) * step).reshape(shape)
    return tuple(steps) if np.array_equal(expected, positions) else None


def transposition(source: Positions) -> tuple[tuple[int, ...], Order] | None:
    """How to move data so that element i of the result is element ``source[i]`` of the storage, in one transposition.

    Returns the shape under which the storage is to be read and the permutation of its axes; None if no transposition
    does it.
    """
    flat = source.reshape(-1).astype(np.int64)
    sizes, steps = [], []
    block = 1
    while block < flat.size:
        step = int(flat[block] - flat[0])
        run = flat[::block] - flat[0]
        expected = np.arange(len(run)) * step
        breaks = np.flatnonzero(run != expected)
        count = int(breaks[0]) if breaks.size else len(run)
        rest = flat.size // block
        while rest % count:
            count -= 1
        sizes.append(count)
        steps.append(step)
        block *= count
        if count == 1:
            return None
    order = np.argsort(steps)[::-1]  # axes of the storage, slowest first; digits are listed fastest first
    shape = tuple(sizes[i] for i in order)
    digits = len(sizes)
    place = {int(digit): axis for axis, digit in enumerate(order)}
    permutation = tuple(place[digit] for digit in range(digits - 1, -1, -1))
    moved = np.arange(flat.size).reshape(shape).transpose(permutation).reshape(-1)
    return (shape, permutation) if np.array_equal(moved, flat) else None
