# SPDX-License-Identifier: Apache-2.0
"""The interfaces that a search is put together from. All randomness comes from the generators handed in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

G = TypeVar("G")
"""A genome."""
G_co = TypeVar("G_co", covariant=True)


class Candidate(Protocol[G_co]):
    """A genome with whatever was found out about it."""

    @property
    def genome(self) -> G_co:
        """What it was made of."""
        ...


C = TypeVar("C")
"""A candidate that was evaluated."""
C_contra = TypeVar("C_contra", contravariant=True)


class Space(Protocol[G]):
    """What is searched."""

    def sample(self, rng: np.random.Generator) -> G:
        """A random genome."""
        ...

    def mutate(self, genome: G, rng: np.random.Generator, rate: float) -> G:
        """``genome`` with each gene drawn anew with probability ``rate``; it may come out as it was."""
        ...

    def crossover(self, a: G, b: G, rng: np.random.Generator) -> G:
        """Genes of ``a`` and ``b`` mixed."""
        ...


class Objective(Protocol[C_contra]):
    """Which candidates are better; both orders are total and deterministic."""

    def fittest(self, candidates: Sequence[C_contra]) -> list[int]:
        """Indices, those to breed from first: where objectives compete, the compromises among them."""
        ...

    def best(self, candidates: Sequence[C_contra]) -> list[int]:
        """Indices by what matters most."""
        ...


@dataclass(frozen=True)
class Settings:
    """What strategies may be told; each takes what concerns it."""

    population: int
    """Candidates that are kept."""
    round_size: int
    """New candidates of a round."""
    mutation_rate: float
    crossover_rate: float
    """Chance that a proposal mixes two parents."""


class Strategy(ABC, Generic[G, C]):
    """Proposes genomes, and learns from what became of them."""

    def __init__(self, space: Space[G], objective: Objective[C], settings: Settings) -> None:
        self._space = space
        self._objective = objective
        self._settings = settings

    @property
    def round_size(self) -> int:
        """How many new candidates it wants to be told at a time."""
        return self._settings.round_size

    @property
    @abstractmethod
    def population(self) -> Sequence[C]:
        """The candidates that it draws on."""

    @abstractmethod
    def propose(self, rng: np.random.Generator) -> G:
        """A genome to look at; it may be an old one, or break limits. Needs candidates told before."""

    @abstractmethod
    def tell(self, candidates: Sequence[C]) -> None:
        """Candidates that were evaluated: first those that the search begins with, then each round's."""
