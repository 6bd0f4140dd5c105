# SPDX-License-Identifier: Apache-2.0
"""Local search: mutants of the best candidate so far (hill climbing with many tries a step)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinyformer.search.parts import Candidate, G, Objective, Settings, Space, Strategy


class LocalSearch(Strategy[G, Candidate[G]]):
    """Moves to the best mutant if it is better; see :class:`.parts.Strategy`."""

    def __init__(self, space: Space[G], objective: Objective[Candidate[G]], settings: Settings) -> None:
        super().__init__(space, objective, settings)
        self._best: list[Candidate[G]] = []

    @property
    def population(self) -> Sequence[Candidate[G]]:
        """The best candidate."""
        return self._best

    def propose(self, rng: np.random.Generator) -> G:
        """A mutant of the best candidate."""
        return self._space.mutate(self._best[0].genome, rng, self._settings.mutation_rate)

    def tell(self, candidates: Sequence[Candidate[G]]) -> None:
        """The best of old and new is where the search goes on."""
        everyone = [*self._best, *candidates]
        self._best = [everyone[self._objective.best(everyone)[0]]]
