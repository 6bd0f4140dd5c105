# SPDX-License-Identifier: Apache-2.0
"""The choice of the winner: who gets into the finals, how they halve, and what counts as equal."""

from __future__ import annotations

import pytest

from tinyformer.engine.costs.estimator import Cost
from tinyformer.nets.spec import LayerSparsity
from tinyformer.search.halving import standard_error, trained_epochs
from tinyformer.sparsenas.finalists import choose, pick_finalists
from tinyformer.sparsenas.genome import Genome
from tinyformer.sparsenas.objectives import Candidate

from .conftest import SUPERNET

SUBNET = SUPERNET.smallest()
LAYER = "stages.1.blocks.0.expand"


def candidate(accuracy: float, latency: float, flash: int = 1000) -> Candidate:
    genome = Genome.of(SUBNET, {LAYER: LayerSparsity((2, 2), latency / 1000)})
    return Candidate(genome, Cost(flash, 0, 0, latency), 0.0, accuracy)


def latencies(candidates) -> list[float]:
    return [item.cost.latency_ms for item in candidates]


def test_finalists_spread_from_the_fastest_to_the_most_accurate_within_the_band():
    front = [candidate(0.70 + i / 100, 1.0 + i) for i in range(21)]
    assert latencies(pick_finalists(front, 3, 0.1)) == [21.0, 16.0, 11.0]
    assert latencies(pick_finalists(front, 50, 0.1)) == [float(i) for i in range(21, 10, -1)]
    assert latencies(pick_finalists(front, 1, 0.1)) == [21.0]


def test_those_that_few_beat_come_next_and_smallness_is_no_merit():
    evaluated = [candidate(0.85, 6.0, 100), candidate(0.9, 5.0, 900), candidate(0.88, 4.0, 1000), candidate(0.87, 4.5)]
    assert latencies(pick_finalists(evaluated, 2, 0.1)) == [5.0, 4.0]
    assert latencies(pick_finalists(evaluated, 3, 0.1)) == [5.0, 4.0, 4.5]
    assert latencies(pick_finalists(evaluated, 9, 0.1)) == [5.0, 4.0, 4.5, 6.0]


@pytest.mark.parametrize(("count", "sizes"), [(8, [8, 4, 2]), (5, [5, 3, 2]), (2, [2])])
def test_halving_doubles_the_training_of_fewer(count, sizes):
    rounds = []

    def tune(candidates, epochs):
        rounds.append((len(candidates), epochs))
        return [item.accuracy for item in candidates]

    finalists = [candidate(0.5 + i / 20, 1.0 + i) for i in range(count)]
    winner, ordered = choose(finalists, tune, epochs=4.0, images=10**6, slack=0.0)
    assert rounds == [(size, 4.0 / 2 ** (len(sizes) - 1 - i)) for i, size in enumerate(sizes)]
    assert trained_epochs(count, 4.0) == sum(size * budget for size, budget in rounds)
    assert winner.candidate == finalists[-1] and winner.epochs == 4.0
    assert ordered[0] == winner
    assert [item.accuracy for item in ordered] == sorted((item.accuracy for item in ordered), reverse=True)


def test_training_overrules_the_one_shot_accuracy():
    tuned = {1.0: 0.95, 2.0: 0.9}
    finalists = [candidate(0.5, 1.0), candidate(0.9, 2.0)]
    winner, _ = choose(
        finalists, lambda items, _: [tuned[item.cost.latency_ms] for item in items], epochs=1, images=10**6, slack=0
    )
    assert winner.candidate.cost.latency_ms == 1.0


@pytest.mark.parametrize(
    ("images", "slack", "expected"), [(10**6, 0.0, 3.0), (100, 0.0, 1.0), (10**6, 0.02, 1.0), (10**4, 0.0, 3.0)]
)
def test_less_than_a_standard_error_goes_to_latency(images, slack, expected):
    finalists = [candidate(0.90, 3.0), candidate(0.89, 1.0), candidate(0.80, 0.5)]
    winner, _ = choose(
        finalists, lambda items, _: [item.accuracy for item in items], epochs=1, images=images, slack=slack
    )
    assert winner.candidate.cost.latency_ms == expected


def test_standard_error():
    assert standard_error(0.9, 10**6) == pytest.approx(0.0003, rel=1e-2)
    assert 0 < standard_error(1.0, 100) < 0.02
