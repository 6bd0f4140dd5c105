# SPDX-License-Identifier: Apache-2.0
"""The strategies by the names that configurations have for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinyformer.config.strategy import StrategyName
from tinyformer.search.local_search import LocalSearch
from tinyformer.search.nsga2 import Nsga2
from tinyformer.search.parts import G, Objective, Settings, Space, Strategy
from tinyformer.search.random_search import RandomSearch
from tinyformer.search.regularized_evolution import RegularizedEvolution

STRATEGIES: dict[StrategyName, Callable[..., Strategy[Any, Any]]] = {
    "nsga2": Nsga2,
    "random": RandomSearch,
    "local": LocalSearch,
    "regularized_evolution": RegularizedEvolution,
}


def make_strategy(
    name: StrategyName, space: Space[G], objective: Objective[Any], settings: Settings
) -> Strategy[G, Any]:
    """The strategy called ``name``."""
    return STRATEGIES[name](space, objective, settings)
