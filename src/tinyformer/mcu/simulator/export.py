# SPDX-License-Identifier: Apache-2.0
"""A simulation's result for people and other programs: tables, JSON, speedscope."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tinyformer.mcu.simulator.result import Cost, SimulationResult, StopReason

SPEEDSCOPE_SCHEMA = "https://www.speedscope.app/file-format-schema.json"
_FUNCTIONS_SHOWN = 30
_FAILURES = {
    StopReason.FAULT: 101,
    StopReason.LOCKUP: 102,
    StopReason.INSTRUCTION_LIMIT: 103,
    StopReason.RESET: 104,
    StopReason.OUTPUT_LIMIT: 105,
    StopReason.INTERRUPTED: 130,
}


def process_status(result: SimulationResult) -> int:
    """Exit status for a shell: the program's own, 0 where it was stopped as wished, 101 to 105 where it failed.

    A shell keeps eight bits: a failure whose status has none of them is 1.
    """
    if result.reason is StopReason.EXIT:
        return result.exit_code & 0xFF or int(result.exit_code != 0)
    return _FAILURES.get(result.reason, 0)


def print_result(result: SimulationResult, console: Console, *, profile: bool = False) -> None:
    """Print a result.

    Args:
        profile: also print the tables of layers, functions and stall causes.
    """
    if result.fault is not None:
        console.print(
            f"[bold red]{result.reason.name.replace('_', ' ').lower()}[/]: {escape(str(result.fault))}",
            highlight=False,
            soft_wrap=True,
        )
    else:
        console.print(
            f"{result.reason.name.replace('_', ' ').lower()}, status {result.exit_code}",
            highlight=False,
            soft_wrap=True,
        )
    for note in result.notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"{result.instructions:,} instructions, {result.stack_bytes:,} bytes of stack", highlight=False, soft_wrap=True
    )
    if result.mode != "timing":
        return
    console.print(
        f"{result.cycles:,} cycles = {result.milliseconds:.3f} ms on {result.mcu} (cycle model: {result.validation}; "
        f"{result.uncertainty})",
        highlight=False,
        soft_wrap=True,
    )
    if profile:
        if result.layers:
            console.print(_cost_table("layer", ((layer.name, layer) for layer in result.layers)))
        if result.regions:
            console.print(_cost_table("region", ((str(region.region), region) for region in result.regions)))
        functions = result.functions[:_FUNCTIONS_SHOWN]
        console.print(_cost_table("function (own code)", ((entry.name, entry) for entry in functions)))
        console.print(_statistics_table(result))


def _cost_table(title: str, rows: Iterable[tuple[str, Cost]]) -> Table:
    table = Table(title, "cycles", "instructions", "where the cycles went")
    for column in table.columns[1:3]:
        column.justify = "right"
    for name, cost in rows:
        table.add_row(escape(name), f"{cost.cycles:,}", f"{cost.instructions:,}", _main_causes(cost))
    return table


def _main_causes(cost: Cost) -> str:
    """The causes of at least a hundredth of the cycles, the largest first."""
    causes = sorted(cost.causes.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(
        f"{name.replace('_', ' ')} {cycles / cost.cycles:.0%}"
        for name, cycles in causes
        if cycles * 100 >= cost.cycles > 0
    )


def _statistics_table(result: SimulationResult) -> Table:
    table = Table("", "hits", "misses", "evictions")
    for name, cache in (("instruction cache", result.instruction_cache), ("data cache", result.data_cache)):
        table.add_row(name, f"{cache.hits:,}", f"{cache.misses:,}", f"{cache.evictions:,}")
    predicted = result.branches - result.branches_mispredicted
    table.add_row("branches", f"{predicted:,}", f"{result.branches_mispredicted:,}", "")
    return table


def result_values(result: SimulationResult) -> dict[str, Any]:
    """The whole result as plain data for JSON; the program's output as text."""
    values = dataclasses.asdict(result)
    values["stdout"] = result.text
    values["reason"] = result.reason.name.lower()
    del values["seconds"]  # differs from run to run
    return values


def with_names(result: SimulationResult, names: Mapping[int, str]) -> SimulationResult:
    """``result`` with layers called as the model calls them, by number, instead of as their functions are."""
    layers = [dataclasses.replace(layer, name=names.get(layer.layer, layer.name)) for layer in result.layers]
    return dataclasses.replace(result, layers=layers)


def to_speedscope(result: SimulationResult) -> str:
    """The profile as a file for https://www.speedscope.app: functions by cost, and the layers in order of time.

    Within a function or layer, the causes of its cycles are shown as if they were called by it.
    """
    frames: dict[str, int] = {}

    def frame(name: str) -> int:
        return frames.setdefault(name, len(frames))

    def profile(name: str, entries: Iterable[tuple[str, Cost]]) -> dict[str, Any]:
        samples: list[list[int]] = []
        weights: list[int] = []
        for owner, cost in entries:
            for cause, cycles in cost.causes.items():
                if cycles:
                    samples.append([frame(owner), frame(cause.replace("_", " "))])
                    weights.append(cycles)
        total = sum(weights)
        return {
            "type": "sampled",
            "name": name,
            "unit": "none",
            "startValue": 0,
            "endValue": total,
            "samples": samples,
            "weights": weights,
        }

    profiles = [profile("cycles by function", ((entry.name, entry) for entry in result.functions))]
    if result.layers:
        profiles.append(profile("cycles by layer", ((layer.name, layer) for layer in result.layers)))
    document = {
        "$schema": SPEEDSCOPE_SCHEMA,
        "name": f"{result.mcu}, {result.cycles:,} cycles",
        "exporter": "tinyformer",
        "activeProfileIndex": len(profiles) - 1,
        "shared": {"frames": [{"name": name} for name in frames]},
        "profiles": profiles,
    }
    return json.dumps(document, indent=1) + "\n"
