"""SuperNAS: the search over the space of supernets for the one that suits the microcontroller best.

Every supernet is scored where there are few, otherwise an evolutionary search scores ``max_candidates`` of them. All
randomness comes from the seed; nothing is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tinyformer.budget import Achievable, Budget
from tinyformer.config.supernas import SuperNasConfig
from tinyformer.errors import TinyFormerError
from tinyformer.supernas.scoring import Estimate, ScoredSupernet, score_supernet
from tinyformer.supernas.space import Genome, SupernetSpace

OnScored: TypeAlias = Callable[[int, int], None]
"""Called after each supernet with how many are scored and how many will be."""

_ATTEMPTS = 100
"""Draws of a supernet not seen before, until the search takes the space to be exhausted."""


@dataclass(frozen=True)
class SuperNasResult:
    """All supernets scored, in that order, and the best."""

    budget: Budget
    candidates: tuple[ScoredSupernet, ...]
    winner: ScoredSupernet

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "limits": self.budget.limits,
            "winner": self.winner.figures(),
            "candidates": [candidate.figures() for candidate in self.candidates],
        }


def search_supernet(
    space: SupernetSpace,
    estimate: Estimate,
    budget: Budget,
    config: SuperNasConfig,
    seed: int,
    on_scored: OnScored | None = None,
) -> SuperNasResult:
    """The supernet of ``space`` with the best score; equals go by their order in the space.

    Raises :class:`TinyFormerError` if no sub-network keeps the limits (naming the smallest values found) or none
    holds a transformer block although ``config.require_transformer`` asks for one.
    """
    total = min(space.count(), config.max_candidates)
    scored: dict[Genome, ScoredSupernet] = {}

    def score(genomes: Iterable[Genome]) -> None:
        for genome in genomes:
            scored[genome] = score_supernet(
                space.build(genome), genome, space.choices(genome), estimate, budget, config, seed
            )
            if on_scored is not None:
                on_scored(len(scored), total)

    if total == space.count():
        score(space.all())
    else:
        score(_evolution(space, scored, config, np.random.default_rng(seed)))
    candidates = tuple(scored.values())
    winner = _best(candidates)[0]
    if winner.score is None:
        raise _infeasible(candidates, budget, config)
    return SuperNasResult(budget, candidates, winner)


def _evolution(
    space: SupernetSpace, scored: dict[Genome, ScoredSupernet], config: SuperNasConfig, rng: np.random.Generator
) -> Iterator[Genome]:
    """Supernets to score, each chosen when those before it are in ``scored``: random ones, then offspring of the
    best."""
    while len(scored) < config.max_candidates:
        for _ in range(_ATTEMPTS):
            genome = space.sample(rng) if len(scored) < config.population else _offspring(space, scored, config, rng)
            if genome not in scored:
                break
        else:
            return
        yield genome


def _offspring(
    space: SupernetSpace, scored: dict[Genome, ScoredSupernet], config: SuperNasConfig, rng: np.random.Generator
) -> Genome:
    parents = _best(scored.values())[: config.population]

    def tournament() -> Genome:  # the better of two; parents are sorted
        return parents[int(rng.integers(len(parents), size=2).min())].genome

    return space.mutate(space.crossover(tournament(), tournament(), rng), rng, config.mutation_rate)


def _best(candidates: Iterable[ScoredSupernet]) -> list[ScoredSupernet]:
    """From best to worst; equals by genome."""
    by_genome = sorted(candidates, key=lambda candidate: candidate.genome)
    return sorted(by_genome, key=lambda candidate: candidate.rank, reverse=True)


def _infeasible(candidates: Iterable[ScoredSupernet], budget: Budget, config: SuperNasConfig) -> TinyFormerError:
    """Why no sub-network drawn is admissible."""
    samples = [sample for candidate in candidates for sample in candidate.samples]
    if config.require_transformer:
        samples = [sample for sample in samples if sample.has_transformer]
        if not samples:
            return TinyFormerError(
                "No sub-network of search_space holds a transformer block: add stages[*].transformers, "
                "or set supernas.require_transformer to false."
            )
    achievable = Achievable(budget)
    for sample in samples:
        achievable.see(sample.cost)
    return achievable.error("a larger mcu or a smaller search_space")
