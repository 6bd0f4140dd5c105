"""Section ``supernas``: the search for the supernet that suits the microcontroller."""

from __future__ import annotations

from pydantic import Field

from tinyformer.config.base import Section


class SuperNasConfig(Section):
    """Search over ``search_space``: exhaustive where it holds at most ``max_candidates`` supernets, else
    evolutionary."""

    max_candidates: int = Field(default=64, ge=1)
    """Supernets that are scored."""

    samples: int = Field(default=32, ge=1)
    """Sub-networks drawn from each supernet, beside its smallest and its largest."""

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
