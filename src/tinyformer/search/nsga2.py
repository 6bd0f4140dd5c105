# SPDX-License-Identifier: Apache-2.0
"""Elitist evolution with tournaments of two (NSGA-II; Deb et al. 2002).

With one objective, or rounds of one candidate, it is the plain (mu + lambda) scheme.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinyformer.search.parts import Candidate, G, Objective, Settings, Space, Strategy


class Nsga2(Strategy[G, Candidate[G]]):
    """Keeps the fittest of parents and children; see :class:`.parts.Strategy`."""

    def __init__(self, space: Space[G], objective: Objective[Candidate[G]], settings: Settings) -> None:
        super().__init__(space, objective, settings)
        self._population: list[Candidate[G]] = []
        self._places: list[int] = []

    @property
    def population(self) -> Sequence[Candidate[G]]:
        """The parents."""
        return self._population

    def propose(self, rng: np.random.Generator) -> G:
        """The winner of a tournament, perhaps crossed with another, then mutated."""
        child = self._parent(rng)
        if self._settings.crossover_rate >= 1 or rng.random() < self._settings.crossover_rate:
            child = self._space.crossover(child, self._parent(rng), rng)
        return self._space.mutate(child, rng, self._settings.mutation_rate)

    def tell(self, candidates: Sequence[Candidate[G]]) -> None:
        """Survival of the fittest."""
        everyone = [*self._population, *candidates]
        if self._population:
            fittest = self._objective.fittest(everyone)[: self._settings.population]
            everyone = [everyone[i] for i in fittest]
        self._population = everyone
        self._places = [0] * len(everyone)
        for place, index in enumerate(self._objective.fittest(everyone)):
            self._places[index] = place

    def _parent(self, rng: np.random.Generator) -> G:
        a, b = (int(i) for i in rng.integers(len(self._population), size=2))
        return self._population[a if self._places[a] <= self._places[b] else b].genome
