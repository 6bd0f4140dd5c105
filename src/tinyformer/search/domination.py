# SPDX-License-Identifier: Apache-2.0
"""Who beats whom where objectives compete: constrained non-dominated sorting (NSGA-II; Deb et al. 2002)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, TypeAlias

Objectives: TypeAlias = tuple[float, ...]


class Constrained(Protocol):
    """What is compared."""

    @property
    def objectives(self) -> Objectives:
        """All to be minimised."""
        ...

    @property
    def violation(self) -> float:
        """How far constraints are broken; 0: not at all."""
        ...


def dominates(a: Constrained, b: Constrained) -> bool:
    """Constrained domination: the smaller violation wins; without any, no objective worse and one better."""
    if a.violation or b.violation:
        return a.violation < b.violation
    return a.objectives != b.objectives and all(x <= y for x, y in zip(a.objectives, b.objectives, strict=True))


def fronts(candidates: Sequence[Constrained]) -> list[list[int]]:
    """Indices by rank: nobody dominates the first front, only the first dominates the second, and so on."""
    n = len(candidates)
    beats = [[j for j in range(n) if dominates(candidates[i], candidates[j])] for i in range(n)]
    beaten_by = [0] * n
    for losers in beats:
        for j in losers:
            beaten_by[j] += 1
    result: list[list[int]] = []
    current = [i for i in range(n) if beaten_by[i] == 0]
    while current:
        result.append(current)
        following = []
        for i in current:
            for j in beats[i]:
                beaten_by[j] -= 1
                if beaten_by[j] == 0:
                    following.append(j)
        current = sorted(following)
    return result


def crowding(candidates: Sequence[Constrained], front: Sequence[int]) -> dict[int, float]:
    """Crowding distance of each member of ``front``: half the perimeter its neighbours span; infinite at the ends."""
    distance = dict.fromkeys(front, 0.0)
    for axis in range(len(candidates[front[0]].objectives)):
        ordered = sorted(front, key=lambda i: (candidates[i].objectives[axis], i))
        low, high = (candidates[i].objectives[axis] for i in (ordered[0], ordered[-1]))
        distance[ordered[0]] = distance[ordered[-1]] = math.inf
        if high > low:
            for before, i, after in zip(ordered, ordered[1:], ordered[2:], strict=False):
                gap = candidates[after].objectives[axis] - candidates[before].objectives[axis]
                distance[i] += gap / (high - low)
    return distance


def ranking(candidates: Sequence[Constrained]) -> list[int]:
    """Indices from the fittest to the least fit: by front, then the lonelier one first, then by position."""
    ordered: list[int] = []
    for front in fronts(candidates):
        distance = crowding(candidates, front)
        ordered += sorted(front, key=lambda i: (-distance[i], i))
    return ordered
