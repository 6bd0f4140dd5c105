# SPDX-License-Identifier: Apache-2.0
"""Where the elements of a tensor are: layouts as arrays of storage positions.

A logical tensor (as the source model shapes it) is a storage tensor and an array of the logical shape that holds the
storage position of every element. Transposing or reshaping it is NumPy on that array and costs nothing at run time;
data moves only when an operator needs an order that the storage does not have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir.base import LARGEST_RANK

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


@dataclass(frozen=True)
class Move:
    """One transposition: the shape under which the storage is read, and the permutation of its axes."""

    shape: tuple[int, ...]
    permutation: Order


def transpositions(source: Positions) -> list[Move] | None:
    """How to move data so that element i of the result is element ``source[i]`` of the storage.

    One transposition if it needs no more than :data:`~tinyformer.ir.graph.LARGEST_RANK` axes, else several that swap
    neighbouring groups of axes; None if no transposition does it.
    """
    sizes, order = _digits(source.reshape(-1).astype(np.int64))
    shape = tuple(sizes)
    moved = np.arange(source.size).reshape(shape).transpose(order).reshape(-1)
    if not np.array_equal(moved, source.reshape(-1)):
        return None
    if len(shape) <= LARGEST_RANK:
        return [Move(shape, order)]
    return _swaps(shape, order)


def _digits(flat: NDArray[np.int64]) -> tuple[list[int], Order]:
    """Storage axes (slowest first) and their permutation that ``flat`` follows, if it follows any.

    Read from the fastest varying: a digit is a run of equal steps.
    """
    sizes: list[int] = []
    steps: list[int] = []
    block = 1
    while block < flat.size:
        step = int(flat[block] - flat[0])
        run = flat[::block] - flat[0]
        breaks = np.flatnonzero(run != np.arange(len(run)) * step)
        count = int(breaks[0]) if breaks.size else len(run)
        while len(run) % count:
            count -= 1
        if count == 1:  # no regular pattern: give up with one digit, which the caller finds wrong
            return [flat.size], (0,)
        sizes.append(count)
        steps.append(step)
        block *= count
    by_step = sorted(range(len(sizes)), key=lambda digit: -steps[digit])
    place = {digit: axis for axis, digit in enumerate(by_step)}
    return [sizes[digit] for digit in by_step], tuple(place[digit] for digit in reversed(range(len(sizes))))


def _swaps(shape: tuple[int, ...], order: Order) -> list[Move]:
    """The permutation as exchanges of two neighbouring groups of axes, each over (before, first, second, behind)."""
    current, moves = list(range(len(shape))), []
    for i in range(len(order)):
        if current[i] == order[i]:
            continue
        j = current.index(order[i])
        end = j + 1
        while end < len(order) and current[end] == order[i + end - j]:
            end += 1
        groups = [current[:i], current[i:j], current[j:end], current[end:]]
        moves.append(Move(tuple(int(np.prod([shape[axis] for axis in group])) for group in groups), (0, 2, 1, 3)))
        current = [*groups[0], *groups[2], *groups[1], *groups[3]]
    return moves
