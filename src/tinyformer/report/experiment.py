# SPDX-License-Identifier: Apache-2.0
"""What comparisons know of one finished experiment."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_WITHOUT_INFLUENCE = ("tracking.", "runtime.")
"""Sections that change no result."""

_MOST_OF_A_SECTION = 4
SEED = "seed"


@dataclass(frozen=True)
class Experiment:
    """An experiment by its name among those compared. ``summary`` is its summary.json."""

    name: str
    summary: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The configuration, flat: ``sparsity.target`` and so on."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Budgets by key of the summary (``flash_bytes``, ``sram_bytes``, ``latency_ms``)."""
    layers: Sequence[Mapping[str, Any]] = ()
    """As in ``layers.json``."""
    report: str | None = None
    """Where its report lies, seen from the comparison's page."""

    def value(self, key: str) -> float | None:
        """A figure of the summary; None where it has none."""
        value = self.summary.get(key)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def left(self, key: str) -> float | None:
        """What is left of the budget ``key``, as a share of it; below 0 where it is exceeded."""
        value, limit = self.value(key), self.limits.get(key)
        return None if value is None or not limit else 1 - value / limit


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every leaf; lists are leaves."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def differing_keys(experiments: Sequence[Experiment]) -> list[str]:
    """Every key of the configuration that has several values, in the configuration's order."""
    keys = dict.fromkeys(key for experiment in experiments for key in experiment.settings)
    return [
        key
        for key in keys
        if not key.startswith(_WITHOUT_INFLUENCE) and len({words(e.settings.get(key)) for e in experiments}) > 1
    ]


def leading_keys(differing: Sequence[str], experiments: Sequence[Experiment]) -> list[str]:
    """Those of ``differing`` that say what the others follow from: a section's name, else its plain values, a few."""
    leading: list[str] = []
    for section in dict.fromkeys(key.partition(".")[0] for key in differing):
        own = [key for key in differing if key.partition(".")[0] == section]
        name = f"{section}.name"
        plain = [key for key in own if not any(isinstance(e.settings.get(key), list) for e in experiments)]
        leading += [name] if name in own else (plain or own)[:_MOST_OF_A_SECTION]
    return leading


def words(value: Any) -> str:
    """A setting as people write it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


@dataclass(frozen=True)
class Repeated:
    """Experiments that differ in the seed alone."""

    label: str
    experiments: tuple[Experiment, ...]

    def mean_and_spread(self, key: str) -> tuple[float, float] | None:
        """Mean and sample standard deviation of a figure; None where one has none."""
        values = [value for e in self.experiments if (value := e.value(key)) is not None]
        if len(values) < len(self.experiments) or not values:
            return None
        return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def repeated(experiments: Sequence[Experiment], differing: Sequence[str], leading: Sequence[str]) -> list[Repeated]:
    """Groups of at least two that differ in the seed alone; empty where there are none."""
    groups: dict[tuple[str, ...], list[Experiment]] = {}
    for experiment in experiments:
        key = tuple(words(experiment.settings.get(name)) for name in differing if name != SEED)
        groups.setdefault(key, []).append(experiment)
    shown = [name for name in leading if name != SEED]
    return [
        Repeated(", ".join(f"{name}={words(members[0].settings.get(name))}" for name in shown) or "all", tuple(members))
        for members in groups.values()
        if len(members) > 1
    ]


def front(experiments: Sequence[Experiment], cost: str, merit: str) -> list[Experiment]:
    """Those that no other beats in both ``cost`` (less is better) and ``merit`` (more is), by rising cost."""
    known = [e for e in experiments if e.value(cost) is not None and e.value(merit) is not None]
    ordered = sorted(known, key=lambda e: (e.value(cost), -(e.value(merit) or 0.0)))
    result: list[Experiment] = []
    for experiment in ordered:
        if not result or (experiment.value(merit) or 0.0) > (result[-1].value(merit) or 0.0):
            result.append(experiment)
    return result
