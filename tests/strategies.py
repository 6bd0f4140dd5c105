# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies for random integer graphs, for every test that runs one graph in several ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.random_graphs import OPERATORS, build_graph
from tinyformer.ir.graph import Graph

T = TypeVar("T")

seeds = st.integers(0, 2**32 - 1)
zero_points = st.integers(-128, 127)
operator_kinds = st.sampled_from(sorted(OPERATORS))


class _DrawnChoices:
    """Choices that hypothesis makes, and shrinks."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def one_of(self, options: Sequence[T]) -> T:
        return options[self._draw(st.integers(0, len(options) - 1))]


@st.composite
def graphs(draw: Callable[[st.SearchStrategy[Any]], Any], operators: int = 5, first: str | None = None) -> Graph:
    """Graphs of up to ``operators`` operators; ``first`` (a key of ``OPERATORS``) fixes the kind of the first one."""
    count = draw(st.integers(1, operators))
    return build_graph(_DrawnChoices(draw), draw(seeds), count, first)
