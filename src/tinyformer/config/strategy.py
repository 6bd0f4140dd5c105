# SPDX-License-Identifier: Apache-2.0
"""Names of the search strategies."""

from __future__ import annotations

from typing import Literal, TypeAlias

StrategyName: TypeAlias = Literal["nsga2", "random", "local"]
"""Multi-objective evolution, random search, or mutants of the best so far (:mod:`tinyformer.search`)."""
