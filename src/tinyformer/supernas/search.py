# SPDX-License-Identifier: Apache-2.0
"""SuperNAS: the search over the space of supernets for the one that suits the microcontroller best.

Every supernet is scored where there are few, otherwise a search strategy picks ``max_candidates`` of them. All
randomness comes from the seed. Scores need no training; those with the best ones may then be tried in short trainings
(:mod:`.finalists`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from tinyformer.budget import Achievable, Budget
from tinyformer.config.supernas import SuperNasConfig
from tinyformer.errors import TinyFormerError
from tinyformer.nets.supernet_spec import SupernetSpec
from tinyformer.search.parts import Settings, Strategy
from tinyformer.search.strategies import make_strategy
from tinyformer.supernas.finalists import Finalist, choose, pick_finalists
from tinyformer.supernas.scoring import Estimate, ScoredSupernet, score_supernet
from tinyformer.supernas.space import Genome, SupernetSpace

OnScored: TypeAlias = Callable[[int, int], None]
"""Called after each supernet with how many are scored and how many will be."""

_ATTEMPTS = 100
"""Draws of a supernet not seen before, until the search takes the space to be exhausted."""


class Trial(Protocol):
    """Trains supernets for a while and tells how good their sub-networks are."""

    def accuracies(self, supernets: Sequence[ScoredSupernet], epochs: float) -> Sequence[float]:
        """Accuracies of supernets trained for ``epochs``, as :mod:`.finalists` compares them."""
        ...


@dataclass(frozen=True)
class SuperNasResult:
    """All supernets scored, in that order, the best, and the finalists that it was chosen from, the best first (none:
    the highest score won)."""

    budget: Budget
    candidates: tuple[ScoredSupernet, ...]
    winner: ScoredSupernet
    finalists: tuple[Finalist, ...] = ()

    @property
    def binding(self) -> dict[str, float]:
        """For each limit the share of all sub-networks drawn that exceed it as long as they are dense."""
        samples = [sample for candidate in self.candidates for sample in candidate.samples]
        return {name: sum(name in sample.exceeded for sample in samples) / len(samples) for name in self.budget.limits}

    @property
    def unbound(self) -> bool:
        """Whether no limit was exceeded by any sub-network: size alone has decided."""
        return not any(self.binding.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "limits": self.budget.limits,
            "binding": self.binding,
            "winner": self.winner.figures(),
            "finalists": [
                {
                    "choices": item.candidate.choices,
                    "score": item.candidate.score,
                    "accuracy": item.accuracy,
                    "epochs": item.epochs,
                }
                for item in self.finalists
            ],
            "candidates": [candidate.figures() for candidate in self.candidates],
        }


def search_supernet(
    space: SupernetSpace,
    estimate: Estimate,
    budget: Budget,
    config: SuperNasConfig,
    seed: int,
    on_scored: OnScored | None = None,
    trial: Trial | None = None,
) -> SuperNasResult:
    """The supernet of ``space`` with the best score, or the best in ``trial`` of the ``config.finalists`` best.

    Equals go by their order in the space.

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
        score(_proposed(space, scored, config, np.random.default_rng(seed)))
    candidates = tuple(scored.values())
    winner = candidates[ByScore().best(candidates)[0]]
    if winner.score is None:
        raise _infeasible(candidates, budget, config)
    if trial is None or config.trial is None or config.finalists == 1:
        return SuperNasResult(budget, candidates, winner)
    ranked = [candidates[i] for i in ByScore().best(candidates)]
    finalists = pick_finalists(ranked, config.finalists)
    ended = choose(finalists, trial.accuracies, epochs=config.trial.epochs)
    return SuperNasResult(budget, candidates, ended[0].candidate, tuple(ended))


def judge_given(
    name: str, spec: SupernetSpec, estimate: Estimate, budget: Budget, config: SuperNasConfig, seed: int
) -> SuperNasResult:
    """The only candidate where the network ``name`` is given, scored as the others are."""
    judged = score_supernet(spec, (), {"network": name}, estimate, budget, config, seed)
    return SuperNasResult(budget, (judged,), judged)


def _proposed(
    space: SupernetSpace, scored: dict[Genome, ScoredSupernet], config: SuperNasConfig, rng: np.random.Generator
) -> Iterator[Genome]:
    """Supernets to score, each chosen when those before it are in ``scored``: random ones, then what the strategy
    proposes."""
    settings = Settings(config.population, 1, config.mutation_rate, crossover_rate=1.0)
    strategy: Strategy[Genome, ScoredSupernet] = make_strategy(config.strategy, space, ByScore(), settings)
    while len(scored) < config.max_candidates:
        for _ in range(_ATTEMPTS):
            genome = space.sample(rng) if len(scored) < config.population else strategy.propose(rng)
            if genome not in scored:
                break
        else:
            return
        yield genome
        strategy.tell([scored[genome]])


class ByScore:
    """Orders supernets by their score; equals by genome."""

    def fittest(self, candidates: Sequence[ScoredSupernet]) -> list[int]:
        """From best to worst."""
        by_genome = sorted(range(len(candidates)), key=lambda i: candidates[i].genome)
        return sorted(by_genome, key=lambda i: candidates[i].rank, reverse=True)

    def best(self, candidates: Sequence[ScoredSupernet]) -> list[int]:
        """The same: there is one objective."""
        return self.fittest(candidates)


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
