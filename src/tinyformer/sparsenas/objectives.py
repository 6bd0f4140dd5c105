"""What a candidate is worth, and who beats whom: constrained non-dominated sorting (NSGA-II; Deb et al. 2002)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinyformer.engine.estimator import Cost
from tinyformer.sparsenas.genome import Genome

Objectives = tuple[float, float, float]


@dataclass(frozen=True)
class Candidate:
    """A genome with its estimated cost, how far it breaks the limits (0: not at all), and what it was measured at."""

    genome: Genome
    cost: Cost
    violation: float
    accuracy: float | None = None
    """Fraction of the validation images classified correctly; ``None``: not evaluated."""

    @property
    def objectives(self) -> Objectives:
        """(error, milliseconds, flash bytes), all to be minimised."""
        error = math.inf if self.accuracy is None else 1.0 - self.accuracy
        return error, self.cost.latency_ms, float(self.cost.flash_bytes)

    def figures(self) -> dict[str, Any]:
        """Plain data for JSON: the genome's digest and every figure."""
        return {
            "id": self.genome.digest(),
            "accuracy": self.accuracy,
            "block_sparsity": self.genome.block_sparsity,
            "flash_bytes": self.cost.flash_bytes,
            "sram_bytes": self.cost.sram_bytes,
            "cycles": self.cost.cycles,
            "latency_ms": self.cost.latency_ms,
        }

    def to_dict(self) -> dict[str, Any]:
        """:meth:`figures` and the genome itself."""
        return {**self.figures(), **self.genome.to_dict()}


def dominates(a: Candidate, b: Candidate) -> bool:
    """Constrained domination: the smaller violation wins; without any, no objective worse and one better."""
    if a.violation or b.violation:
        return a.violation < b.violation
    return a.objectives != b.objectives and all(x <= y for x, y in zip(a.objectives, b.objectives, strict=True))


def fronts(candidates: Sequence[Candidate]) -> list[list[int]]:
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


def crowding(candidates: Sequence[Candidate], front: Sequence[int]) -> dict[int, float]:
    """Crowding distance of each member of ``front``: half the perimeter its neighbours span; infinite at the ends."""
    distance = dict.fromkeys(front, 0.0)
    for axis in range(3):
        ordered = sorted(front, key=lambda i: (candidates[i].objectives[axis], i))
        low, high = (candidates[i].objectives[axis] for i in (ordered[0], ordered[-1]))
        distance[ordered[0]] = distance[ordered[-1]] = math.inf
        if high > low:
            for before, i, after in zip(ordered, ordered[1:], ordered[2:], strict=False):
                gap = candidates[after].objectives[axis] - candidates[before].objectives[axis]
                distance[i] += gap / (high - low)
    return distance


def ranking(candidates: Sequence[Candidate]) -> list[int]:
    """Indices from the fittest to the least fit: by front, then the lonelier one first, then by position."""
    ordered: list[int] = []
    for front in fronts(candidates):
        distance = crowding(candidates, front)
        ordered += sorted(front, key=lambda i: (-distance[i], i))
    return ordered
