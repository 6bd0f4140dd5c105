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
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig, OptimizationLevel
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.emit import render_package
from tinyformer.engine.run.elf_sizes import firmware_sizes
from tinyformer.engine.run.firmware import build_firmware, run_firmware
from tinyformer.engine.run.package_files import open_package, write_files
from tinyformer.engine.schedule.flash_fit import SMALLEST, Rungs
from tinyformer.engine.schedule.layer_report import build_report, constants_bytes
from tinyformer.engine.schedule.patches import origin
from tinyformer.engine.schedule.scheduler import schedule_graph
from tinyformer.engine.schedule.selection import Choose
from tinyformer.engine.schedule.steps import Schedule
from tinyformer.engine.tune.kernels import IMAGES, cached, tuning_key
from tinyformer.ir.graph import Graph

_NAME = "variant"
_MOST_CODE = 40 * 1024
"""Code, start-up and parameters of a firmware take less; below, nothing needs to be measured."""

_SMALL_CODE: OptimizationLevel = "-Os"

_ROOMY_FLASH = 8 << 20
"""Bytes of the chip on which variants are measured that do not fit the real one."""

_CELLS = 4096
"""Bytes are rounded up to so many equal parts of what is missing, at least one byte each."""

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


@dataclass(frozen=True)
class Variant:
    """A firmware with its operators on certain rungs: bytes of flash; constants, cycles and kernels by operator."""

    flash_bytes: int
    constants: dict[str, int]
    cycles: dict[str, float]
    kernels: dict[str, str]


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
        return _of_common_operators([_variant(each, self.mcu, self.config, level) for each in schedules])

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
                excess = _variant(found, self.mcu, self.config, level).flash_bytes - self.budget.flash_bytes
                if excess <= 0:
                    best = _cycles(variants, rungs), Fitted(found, level, _trades(variants, rungs))
                    break
                missing += excess
                rungs = cheapest_rungs(variants, missing, forced)
        return best


def _of_common_operators(variants: Sequence[Variant]) -> list[Variant]:
    """Without the operators that need no call in some of them: copies that other places in the arena save."""
    common = [name for name in variants[0].kernels if all(name in variant.kernels for variant in variants)]
    return [
        Variant(
            variant.flash_bytes,
            {name: variant.constants[name] for name in common},
            {name: variant.cycles[name] for name in common},
            {name: variant.kernels[name] for name in common},
        )
        for variant in variants
    ]


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


def cheapest_rungs(
    variants: Sequence[Variant], missing: int, at_least: Mapping[str, int] | None = None
) -> dict[str, int] | None:
    """By operator, the rung on which together they save ``missing`` bytes of constants for the fewest cycles.

    What ``at_least`` names starts there: its savings come on top. None where even the last rungs do not save as much.
    Operators that stay on the first rung are left out.
    """
    begin = at_least or {}
    cell = max(1, -(-missing // _CELLS))
    wanted = -(-missing // cell)
    least = np.full(wanted + 1, np.inf)
    """Fewest cycles that save at least so many cells, with the operators so far."""
    least[0] = 0.0
    taken: list[tuple[str, np.ndarray]] = []
    for operator in variants[0].constants:
        start = begin.get(operator, 0)
        best, rung_of = least.copy(), np.full(wanted + 1, start)
        for rung in range(start + 1, len(variants)):
            saved = _saved(variants, operator, start, rung) // cell
            if saved <= 0:
                continue
            lost = max(variants[rung].cycles[operator] - variants[start].cycles[operator], 0.0)
            reached = np.concatenate([np.full(min(saved, wanted + 1), least[0]), least])[: wanted + 1]
            better = reached + lost < best
            best, rung_of = np.where(better, reached + lost, best), np.where(better, rung, rung_of)
        least = best
        taken.append((operator, rung_of))
    if not np.isfinite(least[wanted]):
        return None
    rungs: dict[str, int] = {}
    left = wanted
    for operator, rung_of in reversed(taken):
        rung = int(rung_of[left])
        if rung:
            rungs[operator] = rung
            left = max(left - _saved(variants, operator, begin.get(operator, 0), rung) // cell, 0)
    return rungs


def _saved(variants: Sequence[Variant], operator: str, start: int, rung: int) -> int:
    return variants[start].constants[operator] - variants[rung].constants[operator]


def _cycles(variants: Sequence[Variant], rungs: Mapping[str, int]) -> float:
    """Of one inference with its operators on ``rungs``."""
    return sum(variants[rungs.get(name, 0)].cycles[name] for name in variants[0].cycles)


def _variant(schedule: Schedule, mcu: McuConfig, config: EngineConfig, level: OptimizationLevel) -> Variant:
    """The firmware of ``schedule``, built and timed on a chip like ``mcu`` with flash for all of it; cached."""
    files = render_package(schedule, _NAME, build_report(schedule, name=_NAME, mcu=mcu, config=config))
    key = tuning_key(files, mcu, config, f"{level}, by operator")
    return Variant(**cached(key, lambda: asdict(_measure(schedule, files, mcu, level))))


def _measure(schedule: Schedule, files: Mapping[str, str], mcu: McuConfig, level: OptimizationLevel) -> Variant:
    roomy = _with_roomy_flash(mcu)
    graph = schedule.graph
    images = np.random.default_rng(0).integers(-128, 128, (IMAGES, *graph.tensors[graph.input].shape[1:]), np.int8)
    with tempfile.TemporaryDirectory(prefix="tinyformer-") as scratch:
        directory = write_files(files, Path(scratch) / _NAME)
        elf = build_firmware(directory, roomy, optimize=level)
        run = run_firmware(elf, roomy, images, directory=directory)
        flash_bytes = firmware_sizes(elf, roomy, open_package(directory).name).flash_bytes
    constants: dict[str, int] = {}
    cycles: dict[str, float] = {}
    kernels: dict[str, str] = {}
    for index, step in enumerate(schedule.layers):
        operator = origin(step.op.name)
        constants[operator] = max(constants.get(operator, 0), step.implementation.constant_bytes)  # patches share them
        cycles[operator] = cycles.get(operator, 0.0) + run.layer_cycles[index]
        kernels[operator] = step.implementation.kernel
    return Variant(flash_bytes, constants, cycles, kernels)


def _with_roomy_flash(mcu: McuConfig) -> McuConfig:
    memories = {
        name: region.model_copy(update={"bytes": max(region.bytes, _ROOMY_FLASH)}) if region is mcu.flash else region
        for name, region in mcu.memories.items()
    }
    return mcu.model_copy(update={"memories": memories})


def _trades(variants: Sequence[Variant], rungs: Mapping[str, int]) -> tuple[Trade, ...]:
    first = variants[0]
    trades = []
    for operator, rung in rungs.items():
        other = variants[rung]
        saved = first.constants[operator] - other.constants[operator]
        if saved:
            trades.append(Trade(operator, saved, other.cycles[operator] - first.cycles[operator]))
    return tuple(sorted(trades, key=lambda trade: (-trade.cycles_lost, trade.layer)))
