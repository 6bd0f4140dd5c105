# SPDX-License-Identifier: Apache-2.0
"""The reference executor runs every random graph, and its shapes and values are consistent."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.random_graphs import OPERATORS, SeededChoices, build_graph, random_graph, random_images
from tests.strategies import graphs, seeds
from tinyformer.ir.graph import Graph, Op
from tinyformer.ir.reference import execute, execute_all


@pytest.mark.parametrize("kind", sorted(OPERATORS))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), seed=seeds)
def test_each_operator_alone(kind: str, data: st.DataObject, seed: int) -> None:
    graph = data.draw(graphs(operators=1, first=kind))
    check(graph, seed)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(), seeds)
def test_graphs(graph: Graph, seed: int) -> None:
    check(graph, seed)


def check(graph: Graph, seed: int) -> None:
    """Every tensor has its shape; images do not influence each other; the output is the last tensor's."""
    for op in graph.ops:
        rule = op.output_shape([graph.tensors[name].shape for name in op.inputs])
        assert rule in (None, graph.tensors[op.output].shape)
    images = random_images(graph, seed, 3)
    everything = execute_all(graph, images)
    for name, tensor in graph.tensors.items():
        assert everything[name].shape == (3, *tensor.shape)
        assert everything[name].dtype == np.int8
    output = execute(graph, images[1:2])
    assert np.array_equal(output[0].ravel(), everything[graph.outputs[0]][1].ravel())


def test_seeded_graphs_are_reproducible_and_use_their_range() -> None:
    """Most tensors take many values: saturated or constant ones would prove nothing."""
    distinct = []
    for seed in range(40):
        graph, again = random_graph(seed), random_graph(seed)
        images = random_images(graph, seed)
        first, second = execute_all(graph, images), execute_all(again, images)
        assert first.keys() == second.keys()
        assert all(np.array_equal(first[name], second[name]) for name in first)
        distinct += [len(np.unique(value)) for name, value in first.items() if value.size >= 500]
    assert np.median(distinct) > 60


def operator_classes(base: type[Op] = Op) -> set[type[Op]]:
    """Every operator of the integer graph: the classes below ``base`` that say how to execute themselves."""
    below = {found for derived in base.__subclasses__() for found in operator_classes(derived)}
    return below if inspect.isabstract(base) else {base, *below}


def test_random_graphs_hold_every_operator() -> None:
    """A new operator has a random case, and with it every test that runs random graphs."""
    seen: set[type[Op]] = set()
    for kind in OPERATORS:
        choices = SeededChoices(np.random.default_rng(1))
        seen.update(type(op) for op in build_graph(choices, 0, 1, first=kind).ops)
    assert seen == operator_classes()
