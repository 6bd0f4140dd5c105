# SPDX-License-Identifier: Apache-2.0
"""Strategies on a space simple enough to know: each learns what it should, from seeds alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from tinyformer.search.parts import Settings
from tinyformer.search.strategies import STRATEGIES, make_strategy

BITS = 24
LEARNING = [name for name in STRATEGIES if name != "random"]


@dataclass(frozen=True)
class Scored:
    genome: tuple[int, ...]

    @property
    def score(self) -> int:
        return sum(self.genome)


class Bits:
    """Strings of bits; the more ones, the better."""

    def sample(self, rng: np.random.Generator) -> tuple[int, ...]:
        return tuple(int(bit) for bit in rng.integers(2, size=BITS))

    def mutate(self, genome: tuple[int, ...], rng: np.random.Generator, rate: float) -> tuple[int, ...]:
        return tuple(1 - bit if rng.random() < rate else bit for bit in genome)

    def crossover(self, a: tuple[int, ...], b: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
        return tuple(x if rng.random() < 0.5 else y for x, y in zip(a, b, strict=True))


class MostOnes:
    def fittest(self, candidates: Sequence[Scored]) -> list[int]:
        return sorted(range(len(candidates)), key=lambda i: (-candidates[i].score, candidates[i].genome))

    def best(self, candidates: Sequence[Scored]) -> list[int]:
        return self.fittest(candidates)


def run(name: str, seed: int = 0, evaluations: int = 400) -> list[Scored]:
    """All candidates in the order in which they were looked at."""
    rng = np.random.default_rng(seed)
    strategy = make_strategy(name, Bits(), MostOnes(), Settings(10, 10, 0.05, 0.5))
    seen = [Scored(Bits().sample(rng)) for _ in range(10)]
    strategy.tell(seen)
    while len(seen) < evaluations:
        children = [Scored(strategy.propose(rng)) for _ in range(strategy.round_size)]
        strategy.tell(children)
        assert len(strategy.population) > 0
        seen += children
    return seen


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_seed_decides_everything(name):
    assert run(name) == run(name)
    assert run(name) != run(name, seed=1)


@pytest.mark.parametrize("name", LEARNING)
def test_strategies_that_learn_beat_random_search(name):
    def found(name: str) -> float:
        return float(np.mean([max(item.score for item in run(name, seed)) for seed in range(3)]))

    assert found(name) > found("random") + 1


def test_regularized_evolution_forgets_the_oldest_however_good():
    strategy = make_strategy("regularized_evolution", Bits(), MostOnes(), Settings(4, 4, 0.05, 0.5))
    best, *others = [Scored((1,) * BITS), *(Scored(Bits().sample(np.random.default_rng(i))) for i in range(6))]
    strategy.tell([best, *others[:3]])
    assert best in strategy.population
    strategy.tell(others[3:])
    assert list(strategy.population) == others[-4:]


def test_evolution_keeps_the_fittest_and_local_search_the_best():
    for name, size in (("nsga2", 10), ("local", 1)):
        strategy = make_strategy(name, Bits(), MostOnes(), Settings(10, 10, 0.05, 0.5))
        rng = np.random.default_rng(0)
        seen = [Scored(Bits().sample(rng)) for _ in range(10)]
        strategy.tell(seen)
        more = [Scored(Bits().sample(rng)) for _ in range(10)]
        strategy.tell(more)
        best = sorted(item.score for item in (*seen, *more))[-size:]
        assert sorted(item.score for item in strategy.population) == best
