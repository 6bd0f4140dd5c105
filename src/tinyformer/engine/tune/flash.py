# SPDX-License-Identifier: Apache-2.0
"""Kernels within the flash: as few cycles as possible are paid for the bytes that are missing.

Where constants and code come near the budget, the firmware is built and timed with every operator on the first rung of
its ladder (:mod:`tinyformer.engine.schedule.flash_fit`), on the second, and so on: a handful of simulations that say
what each alternative of each operator stores and takes. Which operators go how far down is then a multiple-choice
knapsack (Kellerer, Pferschy and Pisinger, Knapsack Problems, 2004, chapter 11), solved exactly but for the rounding of
bytes. Operators share their kernels' code, which goes only when the last of them goes without: so the knapsack is
solved for every set of kernels to do without, with the firmware that is left.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig, OptimizationLevel
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.schedule.flash_fit import SMALLEST, Rungs
from tinyformer.engine.schedule.layer_report import constants_bytes
from tinyformer.engine.schedule.scheduler import schedule_graph
from tinyformer.engine.schedule.selection import Choose
from tinyformer.engine.schedule.steps import Schedule
from tinyformer.engine.tune.knapsack import cheapest_rungs
from tinyformer.engine.tune.variants import Variant, measured_variant, of_common_operators
from tinyformer.ir.graph import Graph

_MOST_CODE = 40 * 1024
"""Code, start-up and parameters of a firmware take less; below, nothing needs to be measured."""

_SMALL_CODE: OptimizationLevel = "-Os"

_KERNELS_TOGETHER = 3
"""Up to so many kernels, all sets of them are tried."""

_ROUNDS = 4
"""Attempts; each asks for what the firmware of the one before still exceeded the flash by."""


@dataclass(frozen=True)
class Trade:
    """A layer that stores less than its fastest kernel would, and what that costs."""

    layer: str
    bytes_saved: int
    cycles_lost: float


@dataclass(frozen=True)
class Fitted:
    """A schedule, the level that its code is compiled at, and what was traded for its flash."""

    schedule: Schedule
    optimize: OptimizationLevel
    trades: tuple[Trade, ...] = ()


def fit_flash(
    graph: Graph,
    mcu: McuConfig,
    config: EngineConfig,
    optimize: OptimizationLevel,
    budget: Budget,
    choose: Choose | None = None,
) -> Fitted:
    """Schedule of ``graph`` whose firmware keeps to the flash at the least cost in cycles.

    Code compiled at ``optimize`` may give way to small code (-Os), too. The objective ``flash`` takes the smallest
    encodings at any cost. What is returned may still be too large, where nothing smaller was found: the caller checks.

    Raises:
        TinyFormerError: no kernel runs some operators, or a firmware fails.
    """
    if config.objective == "flash":
        return Fitted(schedule_graph(graph, mcu, config, budget, Rungs(choose, SMALLEST)), optimize)
    first = Rungs(choose)
    schedule = schedule_graph(graph, mcu, config, budget, first)
    roomy = constants_bytes(schedule) + _MOST_CODE <= budget.flash_bytes
    if roomy or schedule.plan.arena_bytes > budget.sram_bytes - config.stack_bytes:
        return Fitted(schedule, optimize)
    request = _Request(graph, mcu, config, budget, choose)
    schedules = [schedule, *(request.scheduled(rung) for rung in range(1, first.deepest + 1))]
    cheapest = request.cheapest(schedules, optimize)
    if cheapest is None or cheapest[1].trades:
        small = request.cheapest(schedules, _SMALL_CODE)
        cheapest = min((each for each in (cheapest, small) if each), key=lambda each: each[0], default=None)
    return cheapest[1] if cheapest else request.smallest(schedules)


@dataclass(frozen=True)
class _Request:
    """What is to be compiled, for what."""

    graph: Graph
    mcu: McuConfig
    config: EngineConfig
    budget: Budget
    choose: Choose | None

    def scheduled(self, rungs: Mapping[str, int] | int) -> Schedule:
        """The schedule with its operators on ``rungs``."""
        return schedule_graph(self.graph, self.mcu, self.config, self.budget, Rungs(self.choose, rungs))

    def variants(self, schedules: Sequence[Schedule], level: OptimizationLevel) -> list[Variant]:
        """Their firmwares, for operators that all of them have."""
        return of_common_operators([measured_variant(each, self.mcu, self.config, level) for each in schedules])

    def smallest(self, schedules: Sequence[Schedule]) -> Fitted:
        """The last of ``schedules``, whatever it costs."""
        variants = self.variants(schedules, _SMALL_CODE)
        last = dict.fromkeys(variants[0].constants, len(variants) - 1)
        return Fitted(schedules[-1], _SMALL_CODE, _trades(variants, last))

    def cheapest(self, schedules: Sequence[Schedule], level: OptimizationLevel) -> tuple[float, Fitted] | None:
        """What takes the fewest cycles (told, too) of all that keeps to the flash with code of ``level``, if any does.

        ``schedules`` have all operators on the first rung, the second, and so on.
        """
        variants = self.variants(schedules, level)
        best: tuple[float, Fitted] | None = None
        for without in _sets_of_kernels(variants):
            forced = _rungs_without(variants, without)
            rungs: dict[str, int] | None = forced
            missing = 0
            for _ in range(_ROUNDS):
                if rungs is None or (best is not None and _cycles(variants, rungs) >= best[0]):
                    break
                found = self.scheduled(rungs)
                excess = measured_variant(found, self.mcu, self.config, level).flash_bytes - self.budget.flash_bytes
                if excess <= 0:
                    best = _cycles(variants, rungs), Fitted(found, level, _trades(variants, rungs))
                    break
                missing += excess
                rungs = cheapest_rungs(variants, missing, forced)
        return best


def _sets_of_kernels(variants: Sequence[Variant]) -> list[frozenset[str]]:
    """Sets of kernels that the operators could do without, small ones first; single ones only, if there are many."""
    first = variants[0].kernels
    kernels = sorted({
        kernel for operator, kernel in first.items() if any(variant.kernels[operator] != kernel for variant in variants)
    })  # fmt: skip
    most = len(kernels) if len(kernels) <= _KERNELS_TOGETHER else 1
    sets = [frozenset(some) for size in range(most + 1) for some in itertools.combinations(kernels, size)]
    return sets if most == len(kernels) else [*sets, frozenset(kernels)]


def _rungs_without(variants: Sequence[Variant], kernels: frozenset[str]) -> dict[str, int]:
    """The first rung of each operator that needs none of ``kernels``; operators without such a one stay."""
    rungs = {}
    for operator, kernel in variants[0].kernels.items():
        others = [rung for rung, variant in enumerate(variants) if variant.kernels[operator] not in kernels]
        if kernel in kernels and others:
            rungs[operator] = others[0]
    return rungs


def _cycles(variants: Sequence[Variant], rungs: Mapping[str, int]) -> float:
    """Of one inference with its operators on ``rungs``."""
    return sum(variants[rungs.get(name, 0)].cycles[name] for name in variants[0].cycles)


def _trades(variants: Sequence[Variant], rungs: Mapping[str, int]) -> tuple[Trade, ...]:
    first = variants[0]
    trades = []
    for operator, rung in rungs.items():
        other = variants[rung]
        saved = first.constants[operator] - other.constants[operator]
        if saved:
            trades.append(Trade(operator, saved, other.cycles[operator] - first.cycles[operator]))
    return tuple(sorted(trades, key=lambda trade: (-trade.cycles_lost, trade.layer)))
