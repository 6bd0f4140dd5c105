# SPDX-License-Identifier: Apache-2.0
"""The repair of a genome's sparsity plan before it is a candidate: towards a target, or into the budget."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from tinyformer.budget import Budget
from tinyformer.config.sparsity import SparsityConfig
from tinyformer.engine.costs.estimator import Cost
from tinyformer.nets.plan_counts import zero_weights
from tinyformer.nets.spec import LayerSparsity, SparsityPlan, SubnetSpec, WeightedLayer, weighted_layers

Estimate = Callable[[SubnetSpec, SparsityPlan], Cost]
"""Cost of a sub-network with a sparsity plan."""

LossIncreases = Callable[[SubnetSpec, WeightedLayer, tuple[int, int]], Sequence[float]]
"""By how much the loss is estimated to rise when a layer is pruned in blocks of a shape, for each of
``sparsity.ratios``."""

_URGENCY = 4
"""Power of a limit's use that says how much of what is given back should spare that limit."""


class Repair(Protocol):
    """Makes a plan admissible."""

    def even_ratio(self) -> float:
        """The ratio that an evenly sparse genome begins with."""
        ...

    def __call__(
        self, subnet: SubnetSpec, plan: SparsityPlan, rng: np.random.Generator, *, settled: Set[str] = frozenset()
    ) -> SparsityPlan | None:
        """``plan``, which names every sparse layer of ``subnet``, with other ratios where need be.

        Layers in ``settled`` keep theirs if possible. ``None`` where nothing helps.
        """
        ...


def sparse_layers(subnet: SubnetSpec, sparsity: SparsityConfig) -> list[WeightedLayer]:
    """The layers that may be pruned."""
    return [layer for layer in weighted_layers(subnet) if layer.prunable and not sparsity.stays_dense(layer.name)]


@dataclass(frozen=True)
class TargetRepair:
    """Raises random layers, a step at a time, until ``target`` of the prunable weights are in zero blocks."""

    sparsity: SparsityConfig
    target: float

    def even_ratio(self) -> float:
        """The smallest ratio that reaches the target."""
        return next(ratio for ratio in self.sparsity.ratios if ratio >= self.target)

    def __call__(
        self, subnet: SubnetSpec, plan: SparsityPlan, rng: np.random.Generator, *, settled: Set[str] = frozenset()
    ) -> SparsityPlan | None:
        """See :class:`Repair`; no layer is settled."""
        layers = sparse_layers(subnet, self.sparsity)
        ratios = self.sparsity.ratios
        full = dict(plan)
        total = sum(layer.weights for layer in weighted_layers(subnet) if layer.prunable)
        zero = {layer.name: zero_weights(layer.shape, full[layer.name]) for layer in layers}
        missing = self.target * total - sum(zero.values())
        raisable = [layer for layer in layers if full[layer.name].ratio < ratios[-1]]
        while missing > 0 and raisable:
            layer = raisable[int(rng.integers(len(raisable)))]
            higher = next(ratio for ratio in ratios if ratio > full[layer.name].ratio)
            full[layer.name] = replace(full[layer.name], ratio=higher)
            missing -= (now := zero_weights(layer.shape, full[layer.name])) - zero[layer.name]
            zero[layer.name] = now
            if higher == ratios[-1]:
                raisable.remove(layer)
        return None if missing > 0 else full


@dataclass(frozen=True)
class BudgetRepair:
    """Prunes as little as the budget asks for.

    A plan that breaks a limit is raised, one that leaves room is lowered, in the order of the estimated loss over what
    a step saves of the limits at hand. How many steps are needed is found by bisection: some ten estimates a plan.
    """

    sparsity: SparsityConfig
    budget: Budget
    estimate: Estimate
    loss_increases: LossIncreases

    def even_ratio(self) -> float:
        """The smallest ratio."""
        return self.sparsity.ratios[0]

    def __call__(
        self, subnet: SubnetSpec, plan: SparsityPlan, rng: np.random.Generator, *, settled: Set[str] = frozenset()
    ) -> SparsityPlan | None:
        """See :class:`Repair`. What exceeds the limits at the largest ratios is returned with these."""
        cost = self.estimate(subnet, plan)
        layers = sparse_layers(subnet, self.sparsity)
        free = [layer for layer in layers if layer.name not in settled]
        if self.budget.violation(cost) == 0:
            steps = self._steps(subnet, plan, free, self._prices(subnet, cost), -1)
            fitting = _largest(len(steps), lambda count: self._fits(subnet, _after(plan, steps[:count])))
            return _after(plan, steps[:fitting])
        prices = self._prices(subnet, cost)
        steps = self._steps(subnet, plan, free, prices, 1)
        steps += self._steps(subnet, plan, [layer for layer in layers if layer.name in settled], prices, 1)
        short = _largest(len(steps), lambda count: not self._fits(subnet, _after(plan, steps[:count])))
        return _after(plan, steps[: short + 1])

    def _fits(self, subnet: SubnetSpec, plan: SparsityPlan) -> bool:
        return self.budget.violation(self.estimate(subnet, plan)) == 0

    def _prices(self, subnet: SubnetSpec, cost: Cost) -> Callable[[WeightedLayer], float]:
        """What a weight of a layer takes of the limits: of those broken, or of all by how nearly they are reached."""
        use = {name: getattr(cost, name) / limit for name, limit in self.budget.limits.items()}
        excess = {name: max(0.0, share - 1) for name, share in use.items()}
        urgency = excess if any(excess.values()) else {name: share**_URGENCY for name, share in use.items()}
        layers = weighted_layers(subnet)
        time = urgency.pop("latency_ms", 0.0) / sum(layer.macs for layer in layers)
        room = sum(urgency.values()) / sum(layer.weights for layer in layers)
        return lambda layer: room + time * layer.positions

    def _steps(
        self,
        subnet: SubnetSpec,
        plan: SparsityPlan,
        layers: Iterable[WeightedLayer],
        price: Callable[[WeightedLayer], float],
        direction: int,
    ) -> list[tuple[str, float]]:
        """Changes (layer, new ratio) of one step each, ``direction`` 1 up or -1 down, the best first."""
        by_name = {layer.name: layer for layer in layers}
        losses = {name: self.loss_increases(subnet, layer, plan[name].block) for name, layer in by_name.items()}
        ratios = self.sparsity.ratios

        def step(name: str, old: int) -> tuple[float, str, int] | None:
            """A layer's next step by what it is worth, the least being the best."""
            new = old + direction
            if not 0 <= new < len(ratios):
                return None
            layer, block = by_name[name], plan[name].block
            weights = [zero_weights(layer.shape, LayerSparsity(block, ratios[i])) for i in (old, new)]
            saved = max(direction * (weights[1] - weights[0]), 1) * price(layer)
            lost = direction * (losses[name][new] - losses[name][old])
            return direction * lost / saved, name, new

        nearest = {name: _nearest(ratios, plan[name].ratio) for name in by_name}
        queue = [found for name, old in nearest.items() if (found := step(name, old)) is not None]
        heapq.heapify(queue)
        steps: list[tuple[str, float]] = []
        while queue:
            _, name, index = heapq.heappop(queue)
            steps.append((name, ratios[index]))
            if (following := step(name, index)) is not None:
                heapq.heappush(queue, following)
        return steps


def _after(plan: Mapping[str, LayerSparsity], steps: Iterable[tuple[str, float]]) -> SparsityPlan:
    changed = dict(plan)
    for name, ratio in steps:
        changed[name] = replace(changed[name], ratio=ratio)
    return changed


def _largest(limit: int, holds: Callable[[int], bool]) -> int:
    """The largest number up to ``limit`` for which ``holds``, which holds of 0 and, once it does not, no more."""
    low, high = 0, limit + 1
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


def _nearest(ratios: Sequence[float], ratio: float) -> int:
    return min(range(len(ratios)), key=lambda i: abs(ratios[i] - ratio))
