"""Constrained domination, sorting, crowding and limits."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyformer.config.sparsenas import Limits
from tinyformer.engine.estimator import Cost
from tinyformer.errors import TinyFormerError
from tinyformer.mcu.target import load_mcu
from tinyformer.sparsenas.constraints import Achievable, Budget
from tinyformer.sparsenas.genome import Genome
from tinyformer.sparsenas.objectives import Candidate, crowding, dominates, fronts, ranking

from .conftest import SUPERNET

GENOME = Genome(SUPERNET.smallest(), {})
MCU = load_mcu("stm32f746")


def candidate(accuracy: float | None, latency: float, flash: int, violation: float = 0.0) -> Candidate:
    return Candidate(GENOME, Cost(flash, 0, 0, latency), violation, accuracy)


candidates = st.lists(
    st.builds(
        candidate,
        st.sampled_from([0.1, 0.5, 0.9]),
        st.sampled_from([1.0, 2.0, 3.0]),
        st.integers(1, 3),
        st.sampled_from([0.0, 0.0, 0.5, 1.0]),
    ),
    min_size=1,
    max_size=12,
)


@given(candidates)
def test_fronts_are_what_their_definition_says(population):
    rest = set(range(len(population)))
    for front in fronts(population):
        expected = {i for i in rest if not any(dominates(population[j], population[i]) for j in rest)}
        assert set(front) == expected
        rest -= expected
    assert not rest


@given(candidates)
def test_ranking_is_a_permutation_that_respects_domination(population):
    order = ranking(population)
    assert sorted(order) == list(range(len(population)))
    place = {i: position for position, i in enumerate(order)}
    for i in order:
        for j in order:
            if dominates(population[i], population[j]):
                assert place[i] < place[j]


@pytest.mark.parametrize(
    ("a", "b", "wins"),
    [
        (candidate(0.9, 1.0, 5), candidate(0.8, 1.0, 5), True),
        (candidate(0.9, 2.0, 5), candidate(0.8, 1.0, 5), False),
        (candidate(0.9, 1.0, 5), candidate(0.9, 1.0, 5), False),
        (candidate(0.1, 9.0, 9), candidate(0.9, 1.0, 1, violation=0.1), True),
        (candidate(None, 9.0, 9, violation=0.1), candidate(None, 1.0, 1, violation=0.2), True),
    ],
)
def test_domination(a, b, wins):
    assert dominates(a, b) is wins


def test_crowding_keeps_the_ends_and_prefers_the_lonely():
    population = [candidate(0.9, 4.0, 1), candidate(0.8, 3.9, 1), candidate(0.5, 2.0, 1), candidate(0.1, 1.0, 1)]
    distance = crowding(population, [0, 1, 2, 3])
    assert math.isinf(distance[0]) and math.isinf(distance[3])
    assert distance[2] > distance[1]
    assert [round(value, 6) for value in (distance[1],)] == [round(0.4 / 0.8 + 2.0 / 3.0, 6)]


def test_budget_defaults_to_the_microcontroller():
    budget = Budget.of(Limits(), MCU)
    assert budget.limits == {"flash_bytes": MCU.flash_bytes, "sram_bytes": MCU.sram_bytes}
    assert budget.violation(Cost(MCU.flash_bytes, MCU.sram_bytes, 1, 1e9)) == 0
    assert budget.violation(Cost(2 * MCU.flash_bytes, MCU.sram_bytes, 1, 1.0)) == pytest.approx(1.0)


def test_limit_beyond_the_microcontroller_is_refused():
    with pytest.raises(TinyFormerError, match=r"sparsenas\.limits\.sram_bytes is 1000000, but stm32f746 has 327680"):
        Budget.of(Limits(sram_bytes=1_000_000), MCU)


def test_violations_shrink_with_the_excess():
    budget = Budget.of(Limits(latency_ms=10.0), MCU)
    values = [budget.violation(Cost(1, 1, 1, latency)) for latency in np.linspace(30, 5, 6)]
    assert all(high >= low for high, low in pairwise(values))
    assert values[-1] == 0


def test_error_names_each_impossible_limit_or_the_clash():
    seen = Achievable(Budget.of(Limits(sram_bytes=1000, latency_ms=5.0), MCU))
    seen.see(Cost(10, 1500, 1, 3.0))
    seen.see(Cost(10, 3000, 1, 2.0))
    assert "sparsenas.limits.sram_bytes is 1000, the smallest achievable found is 1500" in str(seen.error())
    assert "latency" not in str(seen.error())
    seen.see(Cost(10, 900, 1, 8.0))
    assert "at once" in str(seen.error())
