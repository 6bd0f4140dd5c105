# SPDX-License-Identifier: Apache-2.0
"""Names of the search strategies."""

from __future__ import annotations

from typing import Literal, TypeAlias

StrategyName: TypeAlias = Literal["nsga2", "random", "local", "regularized_evolution"]
"""Multi-objective evolution, random search, mutants of the best so far, or evolution that forgets by age
(:mod:`tinyformer.search`)."""
