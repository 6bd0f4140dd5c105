# SPDX-License-Identifier: Apache-2.0
"""What a candidate is worth, and which candidates are better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tinyformer.engine.costs.estimator import Cost
from tinyformer.search.domination import Objectives, ranking
from tinyformer.sparsenas.genome import Genome


@dataclass(frozen=True)
class Candidate:
    """A genome with its estimated cost, how far it breaks the limits (0: not at all), and what it was measured at."""

    genome: Genome
    cost: Cost
    violation: float
    accuracy: float | None = None
    """Fraction of the validation images classified correctly; ``None``: not evaluated."""

    @property
    def digest(self) -> str:
        """The genome's."""
        return self.genome.digest()

    @property
    def objectives(self) -> Objectives:
        """(error, milliseconds, flash bytes), all to be minimised."""
        error = math.inf if self.accuracy is None else 1.0 - self.accuracy
        return error, self.cost.latency_ms, float(self.cost.flash_bytes)

    def figures(self) -> dict[str, Any]:
        """Plain data for JSON: the genome's digest and every figure."""
        return {
            "id": self.digest,
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


def measured_accuracy(candidate: Candidate) -> float:
    """The accuracy of a candidate that was evaluated."""
    assert candidate.accuracy is not None
    return candidate.accuracy


@dataclass(frozen=True)
class AccuracyFirst:
    """Orders candidates by error, latency and flash; those more than ``accuracy_band`` below the best accuracy count as
    if they broke a limit: nobody wants the fastest network that guesses."""

    accuracy_band: float

    def fittest(self, candidates: Sequence[Candidate]) -> list[int]:
        """By non-dominated sorting."""
        floor = max(measured_accuracy(candidate) for candidate in candidates) - self.accuracy_band
        return ranking([replace(item, violation=max(0.0, floor - measured_accuracy(item))) for item in candidates])

    def best(self, candidates: Sequence[Candidate]) -> list[int]:
        """By accuracy, then latency, then flash."""
        return sorted(range(len(candidates)), key=lambda i: (*candidates[i].objectives, candidates[i].digest))
