# SPDX-License-Identifier: Apache-2.0
"""Constrained domination, sorting and crowding."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyformer.engine.costs.estimator import Cost
from tinyformer.search.domination import crowding, dominates, fronts, ranking
from tinyformer.sparsenas.genome import Genome
from tinyformer.sparsenas.objectives import Candidate

from .conftest import SUPERNET

GENOME = Genome(SUPERNET.smallest(), {})


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
