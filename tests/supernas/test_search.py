# SPDX-License-Identifier: Apache-2.0
"""SuperNAS: its score, its search, and what it says when nothing fits."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from tests.supernas.spaces import NO_LIMITS, estimate, settings, space
from tinyformer.budget import Budget
from tinyformer.config.supernet_training import SupernetTrainingConfig
from tinyformer.engine.costs.estimator import Cost
from tinyformer.errors import TinyFormerError
from tinyformer.nets.spec import SparsityPlan, SubnetSpec, weighted_layers
from tinyformer.supernas.scoring import capacity, fitted_sample, score_supernet
from tinyformer.supernas.search import search_supernet


def test_the_same_seed_gives_the_same_result() -> None:
    def run(seed: int) -> str:
        result = search_supernet(space(), estimate, Budget({"flash_bytes": 3000.0}), settings(max_candidates=20), seed)
        return json.dumps(result.to_dict(), sort_keys=True)

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_a_small_space_is_searched_exhaustively() -> None:
    supernets = space()
    progress: list[tuple[int, int]] = []
    result = search_supernet(
        supernets, estimate, NO_LIMITS, settings(max_candidates=256), 0, on_scored=lambda *done: progress.append(done)
    )
    assert [candidate.genome for candidate in result.candidates] == list(supernets.all())
    scores = [candidate.score for candidate in result.candidates if candidate.score is not None]
    assert result.winner.score == max(scores)
    assert progress == [(i + 1, 256) for i in range(256)]


def test_evolution_finds_the_best_supernet_at_a_quarter_of_the_cost() -> None:
    # Judged by its largest sub-network alone a supernet's score is free of noise, so that searches are comparable.
    config = settings(max_candidates=64, samples=1, capacity_quantile=1.0)
    best = search_supernet(space(), estimate, NO_LIMITS, config.model_copy(update={"max_candidates": 256}), 0).winner
    found = [search_supernet(space(), estimate, NO_LIMITS, config, seed) for seed in range(5)]
    assert all(len({candidate.genome for candidate in result.candidates}) == 64 for result in found)
    assert sum(result.winner.genome == best.genome for result in found) >= 4


def test_tighter_limits_choose_smaller_supernets() -> None:
    def winner(limit: float) -> float:
        result = search_supernet(space(), estimate, Budget({"latency_ms": limit}), settings(max_candidates=256), 0)
        return result.winner.figures()["median_latency_ms"]

    assert winner(0.02) < winner(0.05) < winner(10.0)


def test_the_winner_holds_only_transformers_where_they_are_required() -> None:
    result = search_supernet(space(), estimate, NO_LIMITS, settings(max_candidates=256), 0)
    assert result.winner.choices["stages[1].transformers"] == 1
    without = [item for item in result.candidates if item.choices["stages[1].transformers"] == 0]
    assert without and all(item.score is None for item in without)
    free = search_supernet(space(), estimate, NO_LIMITS, settings(max_candidates=256, require_transformer=False), 0)
    assert all(item.score is not None for item in free.candidates)


def test_the_score_is_a_quantile_of_capacity_less_what_infeasible_networks_cost() -> None:
    supernets, config = space(), settings(samples=30, capacity_quantile=0.5, require_transformer=False)
    genome = tuple(0 for _ in supernets.genes)
    spec = supernets.build(genome)

    def score(limits: dict[str, float]) -> float:
        value = score_supernet(spec, genome, {}, estimate, Budget(limits), config, 0).score
        assert value is not None
        return value

    rng = np.random.default_rng([0, *genome])
    subnets = [spec.smallest(), spec.largest(), *(spec.sample(rng) for _ in range(30))]
    assert score({}) == pytest.approx(np.median([capacity(subnet, {}) for subnet in subnets]))
    limit = float(np.median([estimate(subnet, {}).flash_bytes for subnet in subnets]))
    kept = [capacity(subnet, {}) for subnet in subnets if estimate(subnet, {}).flash_bytes <= limit]
    assert score({"flash_bytes": limit}) == pytest.approx(np.median(kept) + 0.25 * math.log2(len(kept) / 32))


def test_doubling_a_networks_weights_and_macs_adds_one_to_its_capacity() -> None:
    spec = space().build(tuple(0 for _ in space().genes)).largest()
    one = replace(spec, classes=2, stem_width=8, channels=8, stages=(), head_width=0)
    two = replace(one, channels=16)
    weights = 8 * 9 * 8 + 2 * 8
    assert capacity(one, {}) == pytest.approx(0.5 * (math.log2(weights) + math.log2(8 * 9 * 8 * 144 + 2 * 8)))
    assert capacity(two, {}) - capacity(one, {}) == pytest.approx(1.0, abs=0.03)


def test_an_unreachable_limit_names_the_smallest_value() -> None:
    supernets = space()
    smallest = min(
        estimate(supernets.build(genome).smallest(), {}).sram_bytes
        for genome in supernets.all()
        if supernets.choices(genome)["stages[1].transformers"]
    )
    with pytest.raises(TinyFormerError) as error:
        search_supernet(supernets, estimate, Budget({"sram_bytes": 10.0}), settings(max_candidates=256), 0)
    assert f"limits.sram_bytes is 10, the smallest achievable found is {smallest}" in str(error.value)
    assert "flash_bytes" not in str(error.value)


def test_limits_that_clash_name_the_closest_network() -> None:
    def contrary(spec: SubnetSpec, plan: SparsityPlan) -> Cost:
        cost = estimate(spec, plan)
        return Cost(10_000 - cost.sram_bytes, cost.sram_bytes, cost.cycles, cost.latency_ms)

    with pytest.raises(TinyFormerError, match=r"at once .*; the closest needs flash_bytes"):
        search_supernet(
            space(), contrary, Budget({"flash_bytes": 9000.0, "sram_bytes": 900.0}), settings(max_candidates=256), 0
        )


def test_a_space_without_transformers_cannot_require_them() -> None:
    config = {"stages": [{"widths": [8], "strides": [2], "convolutions": [1], "kinds": [["mbconv"]]}]}
    with pytest.raises(TinyFormerError, match="require_transformer"):
        search_supernet(space(**config), estimate, NO_LIMITS, settings(), 0)


@pytest.mark.parametrize(("asked", "expected"), [(0.0, 0.0), (0.45, 0.5), (0.75, 0.8), (1.0, 0.9)])
def test_a_sub_network_is_judged_at_the_sparsity_that_makes_it_fit(asked: float, expected: float) -> None:
    subnet = space().build(tuple(0 for _ in space().genes)).largest()
    prunable = sum(layer.weights for layer in weighted_layers(subnet) if layer.prunable)
    dense = estimate(subnet, {})
    budget = Budget({"flash_bytes": dense.flash_bytes - asked * prunable, "sram_bytes": 1e9})
    sample = fitted_sample(subnet, estimate, budget, (0.0, 0.5, 0.6, 0.7, 0.8, 0.9))
    assert {layer.ratio for layer in sample.plan.values()} == ({expected} if expected else set())
    assert (sample.violation == 0) == (asked <= 0.9)
    assert sample.exceeded == (frozenset() if asked == 0 else {"flash_bytes"})
    assert sample.capacity <= capacity(subnet, {})


def test_capacity_of_a_pruned_network_lies_between_the_dense_ones() -> None:
    subnet = space().build(tuple(0 for _ in space().genes)).largest()
    pruned = fitted_sample(subnet, estimate, Budget({"flash_bytes": 1.0}), (0.75,)).plan
    share = estimate(subnet, pruned).flash_bytes / estimate(subnet, {}).flash_bytes
    assert capacity(subnet, {}) + math.log2(share) < capacity(subnet, pruned) < capacity(subnet, {})


def test_spaces_whose_sparse_networks_fit_are_not_thrown_out() -> None:
    limit = Budget({"flash_bytes": 0.7 * min(estimate(space().build(genome).largest(), {}).flash_bytes
                                             for genome in space().all())})  # fmt: skip

    def admissible(**changes: object) -> int:
        result = search_supernet(space(), estimate, limit, settings(max_candidates=256, **changes), 0)
        return sum(len(candidate.admissible) for candidate in result.candidates)

    assert admissible(sparsities=(0.0, 0.5, 0.8)) > 1.5 * admissible()


def test_it_says_whether_a_limit_binds() -> None:
    free = search_supernet(space(), estimate, Budget({"flash_bytes": 1e9}), settings(max_candidates=20), 0)
    assert free.unbound and free.binding == {"flash_bytes": 0.0}
    tight = search_supernet(space(), estimate, Budget({"flash_bytes": 3000.0}), settings(max_candidates=20), 0)
    assert not tight.unbound and 0 < tight.binding["flash_bytes"] < 1


class FixedTrial:
    """Accuracies by genome, instead of trainings."""

    images = 10**6

    def __init__(self, accuracy) -> None:
        self.accuracy = accuracy
        self.rounds: list[tuple[int, float]] = []

    def accuracies(self, supernets, epochs: float) -> list[float]:
        self.rounds.append((len(supernets), epochs))
        return [self.accuracy(supernet) for supernet in supernets]


TRIAL = SupernetTrainingConfig(epochs=8, batch_size=8, learning_rate=0.1)


def test_finalists_are_chosen_by_what_they_learn() -> None:
    config = settings(max_candidates=256, finalists=4, trial=TRIAL)
    by_score = search_supernet(space(), estimate, NO_LIMITS, settings(max_candidates=256), 0).winner
    trial = FixedTrial(lambda supernet: 1 / supernet.spec.stages[0].widths[-1])
    result = search_supernet(space(), estimate, NO_LIMITS, config, 0, trial=trial)
    assert trial.rounds == [(4, 4.0), (2, 8.0)]
    tried = [finalist.candidate for finalist in result.finalists]
    assert by_score in tried and result.winner == tried[0]
    assert result.winner.spec.stages[0].widths[-1] == min(item.spec.stages[0].widths[-1] for item in tried)
    assert len(result.to_dict()["finalists"]) == 4


def test_equal_finalists_go_by_score() -> None:
    config = settings(max_candidates=256, finalists=4, trial=TRIAL)
    by_score = search_supernet(space(), estimate, NO_LIMITS, settings(max_candidates=256), 0).winner
    result = search_supernet(space(), estimate, NO_LIMITS, config, 0, trial=FixedTrial(lambda _: 0.5))
    assert result.winner == by_score
