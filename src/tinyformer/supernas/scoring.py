"""How well a supernet suits the microcontroller: the capacity of its sub-networks that keep the limits.

Sub-networks are drawn at random, costed by an estimator, and judged by what they could learn. The score of a supernet
is

    quantile of the capacity of its admissible sub-networks + weight * log2(share of admissible sub-networks),

in doublings of capacity. A space whose networks under the limits are large holds better networks (Lin et al., MCUNet,
arXiv 2007.10319); the share matters because weights that only inadmissible networks use are trained in vain.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tinyformer.budget import Budget
from tinyformer.config.supernas import SuperNasConfig
from tinyformer.engine.estimator import Cost
from tinyformer.nets.spec import SubnetSpec, weighted_layers
from tinyformer.nets.supernet_spec import SupernetSpec
from tinyformer.supernas.space import Genome

Estimate: TypeAlias = Callable[[SubnetSpec], Cost]
"""Estimates what a sub-network costs on the microcontroller."""


@dataclass(frozen=True)
class Sample:
    """One sub-network of a supernet."""

    capacity: float
    cost: Cost
    violation: float
    """Sum of the relative excesses over the limits; 0 within them."""
    has_transformer: bool


@dataclass(frozen=True)
class ScoredSupernet:
    """A supernet, the sub-networks it was judged by, and its score; None if none of them is admissible."""

    genome: Genome
    choices: dict[str, Any]
    spec: SupernetSpec
    samples: tuple[Sample, ...]
    admissible: tuple[Sample, ...]
    score: float | None

    @property
    def rank(self) -> tuple[bool, float]:
        """Greater is better; without admissible sub-networks, by how little the limits are broken."""
        if self.score is None:
            return False, -min(sample.violation for sample in self.samples)
        return True, self.score

    def figures(self) -> dict[str, Any]:
        """What is reported about the supernet, for JSON. Costs are medians over the admissible sub-networks, or over
        all."""
        judged = self.admissible or self.samples
        costs = {
            f"median_{name}": float(np.median([getattr(sample.cost, name) for sample in judged]))
            for name in ("flash_bytes", "sram_bytes", "latency_ms")
        }
        return {
            "choices": self.choices,
            "score": self.score,
            "admissible_share": len(self.admissible) / len(self.samples),
            "median_capacity": float(np.median([sample.capacity for sample in judged])),
            "log2_subnetworks": math.log2(self.spec.count()),
            **costs,
        }


def score_supernet(
    spec: SupernetSpec,
    genome: Genome,
    choices: dict[str, Any],
    estimate: Estimate,
    budget: Budget,
    config: SuperNasConfig,
    seed: int,
) -> ScoredSupernet:
    """Judge ``spec`` by its smallest, its largest and ``config.samples`` random sub-networks.

    The draw depends on the seed and the genome alone, so that a score does not depend on when the search meets the
    supernet.
    """
    rng = np.random.default_rng([seed, *genome])
    subnets = [spec.smallest(), spec.largest(), *(spec.sample(rng) for _ in range(config.samples))]
    samples = tuple(_sample(subnet, estimate(subnet), budget) for subnet in subnets)
    admissible = tuple(
        sample
        for sample in samples
        if sample.violation == 0 and (sample.has_transformer or not config.require_transformer)
    )
    score = None
    if admissible:
        typical = float(np.quantile([sample.capacity for sample in admissible], config.capacity_quantile))
        score = typical + config.feasibility_weight * math.log2(len(admissible) / len(samples))
    return ScoredSupernet(genome, choices, spec, samples, admissible, score)


def capacity(spec: SubnetSpec) -> float:
    """What a network could learn, before any training: the mean of log2(multiply-accumulates) and log2(weights).

    Neither alone would do: the first favours high resolution at few weights, the second the opposite. Both are among
    the best predictors that need no training (White et al., "A deeper look at zero-cost proxies for lightweight NAS",
    2022).
    """
    layers = weighted_layers(spec)
    return 0.5 * (math.log2(sum(layer.macs for layer in layers)) + math.log2(sum(layer.weights for layer in layers)))


def _sample(spec: SubnetSpec, cost: Cost, budget: Budget) -> Sample:
    return Sample(capacity(spec), cost, budget.violation(cost), spec.has_transformer)
