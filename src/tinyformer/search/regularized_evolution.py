# SPDX-License-Identifier: Apache-2.0
"""Regularized evolution: the oldest dies, not the worst (Real et al., arXiv 1802.01548).

A lucky evaluation cannot stay for ever, so that what survives has to prove itself again in its offspring.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinyformer.search.parts import Candidate, G, Objective, Settings, Space, Strategy

_ROUNDS = 4
"""Rounds that replace a population: parents are drawn anew for each, and its candidates evaluated side by side."""

_TOURNAMENT = 4
"""The population's share, as a divisor, that takes part in a tournament."""


class RegularizedEvolution(Strategy[G, Candidate[G]]):
    """Mutates winners of tournaments and forgets by age; see :class:`.parts.Strategy`."""

    def __init__(self, space: Space[G], objective: Objective[Candidate[G]], settings: Settings) -> None:
        super().__init__(space, objective, settings)
        self._population: list[Candidate[G]] = []

    @property
    def round_size(self) -> int:
        """A part of what the settings say."""
        return max(1, self._settings.round_size // _ROUNDS)

    @property
    def population(self) -> Sequence[Candidate[G]]:
        """The youngest candidates, from the oldest to the newest."""
        return self._population

    def propose(self, rng: np.random.Generator) -> G:
        """A mutant of the best of some candidates drawn at random."""
        size = max(2, len(self._population) // _TOURNAMENT)
        drawn = [self._population[int(i)] for i in rng.integers(len(self._population), size=size)]
        return self._space.mutate(drawn[self._objective.best(drawn)[0]].genome, rng, self._settings.mutation_rate)

    def tell(self, candidates: Sequence[Candidate[G]]) -> None:
        """The newest take the places of the oldest."""
        self._population = [*self._population, *candidates][-self._settings.population :]
