# SPDX-License-Identifier: Apache-2.0
"""Random search: the baseline that any other strategy has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinyformer.search.parts import Candidate, G, Objective, Settings, Space, Strategy


class RandomSearch(Strategy[G, Candidate[G]]):
    """Draws from the space; see :class:`.parts.Strategy`."""

    def __init__(self, space: Space[G], objective: Objective[Candidate[G]], settings: Settings) -> None:
        super().__init__(space, objective, settings)
        self._seen: list[Candidate[G]] = []

    @property
    def population(self) -> Sequence[Candidate[G]]:
        """All candidates so far."""
        return self._seen

    def propose(self, rng: np.random.Generator) -> G:
        """A random genome."""
        return self._space.sample(rng)

    def tell(self, candidates: Sequence[Candidate[G]]) -> None:
        """Nothing is learnt."""
        self._seen += candidates
