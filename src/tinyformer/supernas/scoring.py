# SPDX-License-Identifier: Apache-2.0
"""How well a supernet suits the microcontroller: the capacity of its sub-networks that keep the limits.

Sub-networks are drawn at random, costed by an estimator at the sparsity that makes them fit, and judged by what they
could learn. The score of a supernet
is

    quantile of the capacity of its admissible sub-networks + weight * log2(share of admissible sub-networks),

in doublings of capacity. A space whose networks under the limits are large holds better networks (Lin et al., MCUNet,
arXiv 2007.10319); the share matters because weights that only inadmissible networks use are trained in vain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tinyformer.budget import Budget
from tinyformer.config.supernas import SuperNasConfig
from tinyformer.engine.costs.estimator import Cost
from tinyformer.nets.plan_counts import planned_sparsity
from tinyformer.nets.spec import LayerSparsity, SparsityPlan, SubnetSpec, weighted_layers
from tinyformer.nets.supernet_spec import SupernetSpec
from tinyformer.supernas.space import Genome

Estimate: TypeAlias = Callable[[SubnetSpec, SparsityPlan], Cost]
"""Estimates what a sub-network, as sparse as a plan says, costs on the microcontroller."""

_BLOCK = (2, 2)
"""Shape of the blocks that sub-networks are costed in; the flash that a kept weight takes hardly depends on it."""

_DECIMALS = 9
"""Of a score: what libraries round differently makes no supernet better than another."""


@dataclass(frozen=True)
class Sample:
    """One sub-network of a supernet, as sparse as the limits ask for."""

    subnet: SubnetSpec
    plan: SparsityPlan
    capacity: float
    cost: Cost
    violation: float
    """Sum of the relative excesses over the limits; 0 within them."""
    exceeded: frozenset[str]
    """The limits that it does not keep without being pruned."""

    @property
    def has_transformer(self) -> bool:
        """Whether at least one block is a transformer."""
        return self.subnet.has_transformer

    @property
    def sparsity(self) -> float:
        """Fraction of the prunable weights in zero blocks."""
        return planned_sparsity(self.subnet, self.plan)


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
            "median_sparsity": float(np.median([sample.sparsity for sample in judged])),
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
    samples = tuple(fitted_sample(subnet, estimate, budget, config.sparsities) for subnet in subnets)
    admissible = tuple(
        sample
        for sample in samples
        if sample.violation == 0 and (sample.has_transformer or not config.require_transformer)
    )
    score = None
    if admissible:
        typical = float(np.quantile([sample.capacity for sample in admissible], config.capacity_quantile))
        share = math.log2(len(admissible) / len(samples))
        score = round(typical + config.feasibility_weight * share, _DECIMALS)
    return ScoredSupernet(genome, choices, spec, samples, admissible, score)


def fitted_sample(subnet: SubnetSpec, estimate: Estimate, budget: Budget, sparsities: Sequence[float]) -> Sample:
    """``subnet`` at the smallest of ``sparsities`` (ascending, the same for all its layers) that keeps ``budget``.

    At the largest one where none does.
    """

    def at(ratio: float) -> tuple[SparsityPlan, Cost]:
        prunable = (layer.name for layer in weighted_layers(subnet) if layer.prunable)
        plan = dict.fromkeys(prunable, LayerSparsity(_BLOCK, ratio)) if ratio else {}
        return plan, estimate(subnet, plan)

    first = at(sparsities[0])
    exceeded = frozenset(name for name, limit in budget.limits.items() if getattr(first[1], name) > limit)
    found = first if not exceeded else at(sparsities[-1])
    if exceeded and budget.violation(found[1]) == 0:
        low, high = 0, len(sparsities) - 1
        while high - low > 1:
            middle = (low + high) // 2
            tried = at(sparsities[middle])
            if budget.violation(tried[1]) == 0:
                high, found = middle, tried
            else:
                low = middle
    plan, cost = found
    return Sample(subnet, plan, capacity(subnet, plan), cost, budget.violation(cost), exceeded)


def capacity(spec: SubnetSpec, plan: SparsityPlan) -> float:
    """What a network could learn, before any training: the mean of log2(multiply-accumulates) and log2(weights).

    Neither alone would do: the first favours high resolution at few weights, the second the opposite. Both are among
    the best predictors that need no training (White et al., "A deeper look at zero-cost proxies for lightweight NAS",
    2022). A pruned network learns more than a dense one of as many weights, and less than it did: it counts as the
    geometric mean of both.
    """
    weights = macs = kept_weights = kept_macs = 0.0
    for layer in weighted_layers(spec):
        kept = 1 - plan[layer.name].ratio if layer.name in plan else 1.0
        weights, kept_weights = weights + layer.weights, kept_weights + kept * layer.weights
        macs, kept_macs = macs + layer.macs, kept_macs + kept * layer.macs
    return 0.25 * sum(math.log2(count) for count in (weights, macs, kept_weights, kept_macs))
