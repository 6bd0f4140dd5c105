# SPDX-License-Identifier: Apache-2.0
"""Successive halving (Jamieson and Talwalkar, arXiv 1502.07943): the better half goes on to twice the training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

C = TypeVar("C")

Measure: TypeAlias = Callable[[Sequence[C], float], Sequence[float]]
"""Accuracies (fractions) of candidates after so many epochs of training."""

_FEWEST = 2
"""Candidates of the last round."""


@dataclass(frozen=True)
class Tried(Generic[C]):
    """A candidate, its accuracy (a fraction) after its last round, and the epochs of training before that."""

    candidate: C
    accuracy: float
    epochs: float


def successive_halving(
    candidates: Sequence[C],
    measure: Measure[C],
    order: Callable[[Sequence[Tried[C]], bool], list[Tried[C]]],
    *,
    epochs: float,
) -> list[Tried[C]]:
    """All ``candidates``, the best first: those that came further before those that did not.

    The last two train for ``epochs``, as many or fewer candidates of the round before for half as long, and so on.
    ``order`` puts a round's candidates in order, the best first; it is told whether the round is the last.
    """
    remaining = list(candidates)
    ended: list[Tried[C]] = []
    rounds = _rounds(len(remaining), epochs)
    for number, (_, budget) in enumerate(rounds, start=1):
        survivors = rounds[number][0] if number < len(rounds) else 0
        accuracies = measure(remaining, budget)
        tried = [Tried(item, value, budget) for item, value in zip(remaining, accuracies, strict=True)]
        ordered = order(tried, number == len(rounds))
        ended = [*ordered[survivors:], *ended]
        remaining = [item.candidate for item in ordered[:survivors]]
    return ended


def evenly_spread(ordered: Sequence[C], count: int) -> list[C]:
    """At most ``count`` of ``ordered``, evenly spread and with both ends: neighbours in it are much alike."""
    if count == 1 or len(ordered) <= count:
        return list(ordered[:count])
    return [ordered[round(i * (len(ordered) - 1) / (count - 1))] for i in range(count)]


def trained_epochs(candidates: int, epochs: float) -> float:
    """Epochs of training that :func:`successive_halving` takes in all rounds together."""
    return sum(count * budget for count, budget in _rounds(candidates, epochs))


def standard_error(accuracy: float, images: int) -> float:
    """Of an accuracy (a fraction) counted on ``images``, by Agresti and Coull's estimate, which is not 0 at 100 %."""
    share = (accuracy * images + 2) / (images + 4)
    return math.sqrt(share * (1 - share) / (images + 4))


def _rounds(candidates: int, epochs: float) -> list[tuple[int, float]]:
    """Candidates and epochs of each round."""
    counts = [candidates]
    while counts[-1] > _FEWEST:
        counts.append(max(_FEWEST, math.ceil(counts[-1] / 2)))
    return [(count, epochs / 2 ** (len(counts) - number)) for number, count in enumerate(counts, start=1)]
