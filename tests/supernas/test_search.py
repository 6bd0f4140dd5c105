"""SuperNAS: its score, its search, and what it says when nothing fits."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from tests.supernas.spaces import NO_LIMITS, estimate, settings, space
from tinyformer.budget import Budget
from tinyformer.engine.estimator import Cost
from tinyformer.errors import TinyFormerError
from tinyformer.nets.spec import SubnetSpec
from tinyformer.supernas.scoring import capacity, score_supernet
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
    assert score({}) == pytest.approx(np.median([capacity(subnet) for subnet in subnets]))
    limit = float(np.median([estimate(subnet).flash_bytes for subnet in subnets]))
    kept = [capacity(subnet) for subnet in subnets if estimate(subnet).flash_bytes <= limit]
    assert score({"flash_bytes": limit}) == pytest.approx(np.median(kept) + 0.25 * math.log2(len(kept) / 32))


def test_doubling_a_networks_weights_and_macs_adds_one_to_its_capacity() -> None:
    spec = space().build(tuple(0 for _ in space().genes)).largest()
    one = replace(spec, classes=2, stem_width=8, channels=8, stages=(), head_width=0)
    two = replace(one, channels=16)
    weights = 8 * 9 * 8 + 2 * 8
    assert capacity(one) == pytest.approx(0.5 * (math.log2(weights) + math.log2(8 * 9 * 8 * 144 + 2 * 8)))
    assert capacity(two) - capacity(one) == pytest.approx(1.0, abs=0.03)


def test_an_unreachable_limit_names_the_smallest_value() -> None:
    supernets = space()
    smallest = min(
        estimate(supernets.build(genome).smallest()).sram_bytes
        for genome in supernets.all()
        if supernets.choices(genome)["stages[1].transformers"]
    )
    with pytest.raises(TinyFormerError) as error:
        search_supernet(supernets, estimate, Budget({"sram_bytes": 10.0}), settings(max_candidates=256), 0)
    assert f"sparsenas.limits.sram_bytes is 10, the smallest achievable found is {smallest}" in str(error.value)
    assert "flash_bytes" not in str(error.value)


def test_limits_that_clash_name_the_closest_network() -> None:
    def contrary(spec: SubnetSpec) -> Cost:
        cost = estimate(spec)
        return Cost(10_000 - cost.sram_bytes, cost.sram_bytes, cost.cycles, cost.latency_ms)

    with pytest.raises(TinyFormerError, match=r"at once .*; the closest needs flash_bytes"):
        search_supernet(
            space(), contrary, Budget({"flash_bytes": 9000.0, "sram_bytes": 900.0}), settings(max_candidates=256), 0
        )


def test_a_space_without_transformers_cannot_require_them() -> None:
    config = {"stages": [{"widths": [8], "strides": [2], "convolutions": [1], "kinds": [["mbconv"]]}]}
    with pytest.raises(TinyFormerError, match="require_transformer"):
        search_supernet(space(**config), estimate, NO_LIMITS, settings(), 0)
