# SPDX-License-Identifier: Apache-2.0
"""Section ``supernas``: the search for the supernet that suits the microcontroller."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from tinyformer.config.base import Section
from tinyformer.config.sparsity import Ratio
from tinyformer.config.strategy import StrategyName
from tinyformer.config.supernet_training import SupernetTrainingConfig


class SuperNasConfig(Section):
    """Search over ``search_space``: exhaustive where it holds at most ``max_candidates`` supernets."""

    strategy: StrategyName = "nsga2"
    """What proposes supernets where there are more: evolution, random draws, or mutants of the best so far."""

    max_candidates: int = Field(default=64, ge=1)
    """Supernets that are scored."""

    samples: int = Field(default=32, ge=1)
    """Sub-networks drawn from each supernet, beside its smallest and its largest."""

    sparsities: tuple[Ratio, ...] = Field(default=(0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9), min_length=1)
    """Block sparsities, ascending: a sub-network is costed and judged at the smallest that keeps the limits."""

    population: int = Field(default=16, ge=2)
    """Supernets of the evolutionary search's first, random generation, and the parents of each later one."""

    mutation_rate: float = Field(default=0.2, gt=0, le=1)
    """Chance of each of a supernet's choices to be drawn anew in a mutation."""

    capacity_quantile: float = Field(default=0.75, ge=0, le=1)
    """A supernet is judged by this quantile of the capacity of its sub-networks that keep the limits: towards 1 by the
    best it offers, towards 0.5 by what is usual."""

    feasibility_weight: float = Field(default=0.25, ge=0)
    """What halving the share of sub-networks that keep the limits costs, in doublings of capacity."""

    require_transformer: bool = True
    """Whether only sub-networks with at least one transformer block count."""

    finalists: int = Field(default=1, ge=1)
    """Supernets, the best by score and others from the better half, that are trained for a while and then compared by
    the accuracy of their sub-networks; 1: the best score wins."""

    trial: SupernetTrainingConfig | None = None
    """How the last two finalists are trained; each earlier round has twice as many for half the epochs."""

    trial_samples: int = Field(default=16, ge=1)
    """Sub-networks that keep the limits, of those scored, by which a trained finalist is judged: by the
    ``capacity_quantile`` of their validation accuracies, pruned as the limits ask."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if list(self.sparsities) != sorted(set(self.sparsities)):
            raise ValueError("supernas.sparsities must be ascending and without repetition")
        if self.finalists > 1 and self.trial is None:
            raise ValueError("supernas.finalists > 1 are compared by training: say in supernas.trial how")
        return self
