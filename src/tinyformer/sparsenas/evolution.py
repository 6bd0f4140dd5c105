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
from tinyformer.engine.estimator import Cost
from tinyformer.nets.spec import SparsityPlan, SubnetSpec
from tinyformer.sparsenas.evaluation import Evaluations
from tinyformer.sparsenas.genome import Genome
from tinyformer.sparsenas.objectives import Candidate, fronts, ranking
from tinyformer.sparsenas.variation import Variation

OnMetrics = Callable[[Mapping[str, float], int], None]
"""Called with metrics and the number of the generation."""

OnEvaluated = Callable[[int, int], None]
"""Called after each evaluation with how many are done and how many there will be at most."""

_CHILD_ATTEMPTS = 16
"""Variations tried for one child before the place is left to the parents."""


class CostModel(Protocol):
    """Estimates what a sub-network costs on the microcontroller; see :class:`tinyformer.engine.estimator.Estimator`."""

    def estimate(self, spec: SubnetSpec, plan: SparsityPlan) -> Cost:
        """Cost of ``spec`` with its layers as sparse as ``plan`` says."""
        ...


@dataclass(frozen=True)
class SearchResult:
    """All evaluated candidates in the order of evaluation, the Pareto front by rising latency, and the winner."""

    budget: Budget
    evaluated: tuple[Candidate, ...]
    front: tuple[Candidate, ...]
    winner: Candidate

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "limits": self.budget.limits,
            "winner": self.winner.to_dict(),
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
    best = max(_accuracy(candidate) for candidate in evaluated)
    good_enough = [candidate for candidate in evaluated if _accuracy(candidate) >= best - accuracy_slack]
    return min(
        good_enough,
        key=lambda item: (item.cost.latency_ms, -_accuracy(item), item.cost.flash_bytes, item.genome.digest()),
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
        population = self._evaluate(self._initial())
        self._report(population, 0)
        for generation in range(1, self.config.generations + 1):
            children = self._evaluate(self._children(population))
            everyone = [*population, *children]
            population = [everyone[i] for i in self._ranking(everyone)[: self.config.population]]
            self._report(population, generation)
        evaluated = tuple(self._evaluated.values())
        front = [evaluated[i] for i in fronts(evaluated)[0]]
        front.sort(key=lambda candidate: (candidate.cost.latency_ms, candidate.genome.digest()))
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

    def _children(self, population: Sequence[Candidate]) -> list[Candidate]:
        """As many new feasible candidates as the population has places, fewer where they cannot be found."""
        order = self._ranking(population)
        rank = {index: position for position, index in enumerate(order)}
        children: dict[str, Candidate] = {}
        for _ in range(self.config.population):
            for _ in range(_CHILD_ATTEMPTS):
                candidate = self._cost(self._child(population, rank))
                digest = candidate.genome.digest()
                if candidate.violation == 0 and digest not in self._evaluated and digest not in children:
                    children[digest] = candidate
                    break
        return list(children.values())

    def _ranking(self, candidates: Sequence[Candidate]) -> list[int]:
        """Indices, the fittest first: those far below the best accuracy count as if they broke a limit."""
        floor = max(_accuracy(candidate) for candidate in candidates) - self.config.accuracy_band
        return ranking([replace(item, violation=max(0.0, floor - _accuracy(item))) for item in candidates])

    def _child(self, population: Sequence[Candidate], rank: Mapping[int, int]) -> Genome:
        first = population[self._tournament(rank)].genome
        if self._rng.random() < self.config.crossover_rate:
            second = population[self._tournament(rank)].genome
            first = self.variation.crossover(first, second, self._rng)
        return self.variation.mutate(first, self._rng, self.config.mutation_rate)

    def _tournament(self, rank: Mapping[int, int]) -> int:
        a, b = (int(i) for i in self._rng.integers(len(rank), size=2))
        return a if rank[a] <= rank[b] else b

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
        self._evaluated.update({item.genome.digest(): item for item in evaluated})
        return evaluated

    def _report(self, population: Sequence[Candidate], generation: int) -> None:
        if self.on_metrics is None:
            return
        winner = choose_winner(population, self.config.accuracy_slack)
        metrics = {
            "accuracy_best": max(_accuracy(candidate) for candidate in population),
            "accuracy_mean": sum(_accuracy(candidate) for candidate in population) / len(population),
            "winner_accuracy": _accuracy(winner),
            "winner_latency_ms": winner.cost.latency_ms,
            "winner_flash_bytes": float(winner.cost.flash_bytes),
            "winner_block_sparsity": winner.genome.block_sparsity,
            "front_size": float(len(fronts(population)[0])),
            "evaluations": float(len(self._evaluated)),
        }
        self.on_metrics(metrics, generation)


def _accuracy(candidate: Candidate) -> float:
    assert candidate.accuracy is not None
    return candidate.accuracy
