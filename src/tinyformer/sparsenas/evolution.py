# SPDX-License-Identifier: Apache-2.0
"""Evolution of architecture and per-layer block sparsity under the microcontroller's limits.

NSGA-II (Deb et al. 2002) over :class:`Genome`, minimising error, latency and flash. Costs are estimated, which takes
milliseconds, so that only genomes within the limits are ever evaluated. Every random draw comes from the seed: a search
that is repeated with its evaluations at hand takes the same steps and ends in the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from tinyformer.budget import Achievable, Budget
from tinyformer.config.sparsenas import SparseNasConfig
from tinyformer.engine.costs.estimator import Cost
from tinyformer.nets.spec import SparsityPlan, SubnetSpec
from tinyformer.search.domination import fronts
from tinyformer.search.parts import Settings, Strategy
from tinyformer.search.strategies import make_strategy
from tinyformer.sparsenas.evaluation import Evaluations
from tinyformer.sparsenas.finalists import Finalist, finalist_figures
from tinyformer.sparsenas.genome import Genome
from tinyformer.sparsenas.objectives import AccuracyFirst, Candidate, measured_accuracy
from tinyformer.sparsenas.variation import Variation

OnMetrics = Callable[[Mapping[str, float], int], None]
"""Called with metrics and the number of the generation."""

OnEvaluated = Callable[[int, int], None]
"""Called after each evaluation with how many are done and how many there will be at most."""

_ATTEMPTS = 16
"""Proposals looked at for one place of a round before it is left empty."""


class CostModel(Protocol):
    """Estimates what a sub-network costs on the microcontroller (:mod:`tinyformer.engine.costs.estimator`)."""

    def estimate(self, spec: SubnetSpec, plan: SparsityPlan) -> Cost:
        """Cost of ``spec`` with its layers as sparse as ``plan`` says."""
        ...


@dataclass(frozen=True)
class SearchResult:
    """All evaluated candidates in the order of evaluation, the Pareto front by rising latency, the winner, and the
    finalists that it was chosen from, the best first (none: it was chosen by one-shot accuracy)."""

    budget: Budget
    evaluated: tuple[Candidate, ...]
    front: tuple[Candidate, ...]
    winner: Candidate
    finalists: tuple[Finalist, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "limits": self.budget.limits,
            "winner": self.winner.to_dict(),
            "finalists": [finalist_figures(finalist) for finalist in self.finalists],
            "front": [candidate.to_dict() for candidate in self.front],
            "evaluated": [candidate.figures() for candidate in self.evaluated],
        }


def evolve(
    variation: Variation,
    costs: CostModel,
    budget: Budget,
    evaluations: Evaluations,
    *,
    config: SparseNasConfig,
    seed: int,
    on_metrics: OnMetrics | None = None,
    on_evaluated: OnEvaluated | None = None,
) -> SearchResult:
    """Search until ``config.generations`` have passed.

    The winner is the fastest candidate within ``config.accuracy_slack`` of the best validation accuracy; equals go by
    flash, then by digest. Raises :class:`TinyFormerError` if no candidate meets the limits (naming what is achievable).
    """
    return _Evolution(variation, costs, budget, evaluations, config, seed, on_metrics, on_evaluated).run()


def choose_winner(evaluated: Sequence[Candidate], accuracy_slack: float) -> Candidate:
    """The winner as :func:`evolve` defines it."""
    best = max(measured_accuracy(candidate) for candidate in evaluated)
    good_enough = [candidate for candidate in evaluated if measured_accuracy(candidate) >= best - accuracy_slack]
    return min(
        good_enough,
        key=lambda item: (item.cost.latency_ms, -measured_accuracy(item), item.cost.flash_bytes, item.digest),
    )


@dataclass
class _Evolution:
    variation: Variation
    costs: CostModel
    budget: Budget
    evaluations: Evaluations
    config: SparseNasConfig
    seed: int
    on_metrics: OnMetrics | None
    on_evaluated: OnEvaluated | None

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._evaluated: dict[str, Candidate] = {}

    def run(self) -> SearchResult:
        config = self.config
        settings = Settings(config.population, config.population, config.mutation_rate, config.crossover_rate)
        strategy: Strategy[Genome, Candidate] = make_strategy(
            config.strategy, self.variation, AccuracyFirst(config.accuracy_band), settings
        )
        strategy.tell(self._evaluate(self._initial()))
        self._report(strategy.population, 0)
        for generation in range(1, config.generations + 1):
            for first in range(0, config.population, strategy.round_size):
                count = min(strategy.round_size, config.population - first)
                strategy.tell(self._evaluate(self._proposed(strategy, count)))
            self._report(strategy.population, generation)
        evaluated = tuple(self._evaluated.values())
        front = [evaluated[i] for i in fronts(evaluated)[0]]
        front.sort(key=lambda candidate: (candidate.cost.latency_ms, candidate.digest))
        winner = choose_winner(evaluated, self.config.accuracy_slack)
        return SearchResult(self.budget, evaluated, tuple(front), winner)

    def _initial(self) -> list[Candidate]:
        """Feasible candidates: the largest, random ones and, where those break the limits, mutants of the closest.

        The smallest networks are costed first: they tell whether the limits can be met at all, and are the fallback.
        """
        achievable = Achievable(self.budget)
        feasible: dict[str, Candidate] = {}
        closest: Candidate | None = None
        for genome in self.variation.smallest():
            candidate = self._cost(genome)
            achievable.see(candidate.cost)
            if closest is None or candidate.violation < closest.violation:
                closest = candidate
        assert closest is not None
        largest = self.variation.largest(self._rng)
        if largest is not None and (candidate := self._cost(largest)).violation == 0:
            feasible[largest.digest()] = candidate
        failures = 0
        while len(feasible) < self.config.population and failures < self.config.patience:
            from_closest = failures > 0 and self._rng.random() < 0.5
            genome = (
                self.variation.mutate(closest.genome, self._rng, self.config.mutation_rate)
                if from_closest
                else self.variation.sample(self._rng)
            )
            candidate = self._cost(genome)
            achievable.see(candidate.cost)
            if candidate.violation < closest.violation:
                closest = candidate
            if candidate.violation == 0 and genome.digest() not in feasible:
                feasible[genome.digest()] = candidate
                failures = 0
            else:
                failures += 1
        if not feasible:
            if closest.violation > 0:
                raise achievable.error(
                    "a larger mcu, a smaller search_space, a higher sparsity or a longer sparsenas.patience"
                )
            feasible[closest.genome.digest()] = closest
        return list(feasible.values())

    def _proposed(self, strategy: Strategy[Genome, Candidate], count: int) -> list[Candidate]:
        """``count`` new feasible candidates, fewer where they cannot be found."""
        found: dict[str, Candidate] = {}
        for _ in range(count):
            for _ in range(_ATTEMPTS):
                candidate = self._cost(strategy.propose(self._rng))
                digest = candidate.digest
                if candidate.violation == 0 and digest not in self._evaluated and digest not in found:
                    found[digest] = candidate
                    break
        return list(found.values())

    def _cost(self, genome: Genome) -> Candidate:
        cost = self.costs.estimate(genome.subnet, genome.plan)
        return Candidate(genome, cost, self.budget.violation(cost))

    def _evaluate(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """``candidates`` with their accuracies."""
        known = len(self._evaluated)
        total = self.config.population * (self.config.generations + 1)
        accuracies = []
        for accuracy in self.evaluations.accuracies([candidate.genome for candidate in candidates]):
            accuracies.append(accuracy)
            if self.on_evaluated is not None:
                self.on_evaluated(known + len(accuracies), total)
        evaluated = [replace(item, accuracy=value) for item, value in zip(candidates, accuracies, strict=True)]
        self._evaluated.update({item.digest: item for item in evaluated})
        return evaluated

    def _report(self, population: Sequence[Candidate], generation: int) -> None:
        if self.on_metrics is None:
            return
        winner = choose_winner(population, self.config.accuracy_slack)
        metrics = {
            "accuracy_best": max(measured_accuracy(candidate) for candidate in population),
            "accuracy_mean": sum(measured_accuracy(candidate) for candidate in population) / len(population),
            "winner_accuracy": measured_accuracy(winner),
            "winner_latency_ms": winner.cost.latency_ms,
            "winner_flash_bytes": float(winner.cost.flash_bytes),
            "winner_block_sparsity": winner.genome.block_sparsity,
            "front_size": float(len(fronts(population)[0])),
            "evaluations": float(len(self._evaluated)),
        }
        self.on_metrics(metrics, generation)
