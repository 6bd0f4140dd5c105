# SPDX-License-Identifier: Apache-2.0
"""The report of one experiment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinyformer.report.classification import CONFIDENCE, Evaluation, Share
from tinyformer.report.figures import (
    COSTS,
    PALETTE,
    FigureJson,
    arena_figure,
    constants,
    pareto_figure,
    training_figures,
)
from tinyformer.report.formatting import DASH
from tinyformer.report.headline import HeadlineRow, headline
from tinyformer.report.images import data_uri
from tinyformer.report.inputs import LayerRow, ReportInputs
from tinyformer.report.page import write_page

_MOST_CLASSES = 25
"""A confusion matrix of more is no longer read."""
_MOST_SAMPLES = 12
_MOST_MISTAKES = 24
_CARDS = ("accuracy_int8", "latency_ms", "flash_bytes", "sram_bytes")


@dataclass(frozen=True)
class _Share:
    """A segment of the bar that shows where the time goes."""

    label: str
    share: float
    color: str


@dataclass(frozen=True)
class _Picture:
    """A test image, what it is, and what the model takes it for."""

    address: str
    index: int
    name: str
    taken_for: str

    @property
    def right(self) -> bool:
        """Whether the model recognizes it."""
        return self.name == self.taken_for


@dataclass(frozen=True)
class _Training:
    """The curves of a stage: (id, heading), and what did not change."""

    constants: Mapping[str, float]
    panels: list[tuple[str, str]] = field(default_factory=list)


def write_report(inputs: ReportInputs, destination: Path) -> None:
    """Write the report of one experiment as a single HTML file that needs no network; equal inputs give equal bytes."""
    rows = headline(inputs.summary, inputs.mcu, inputs.limits)
    figures: dict[str, FigureJson] = {}
    if inputs.pareto:
        figures |= {f"pareto-{cost}": pareto_figure(inputs.pareto, cost, inputs.limits.get(cost)) for cost in COSTS}
    training = {title: _Training(constants=constants(history)) for title, history in inputs.training.items()}
    for title, history in inputs.training.items():
        for heading, figure in training_figures(history):
            element = f"training-{len(figures)}"
            figures[element] = figure
            training[title].panels.append((element, heading))
    if inputs.arena is not None:
        figures["arena"] = arena_figure(inputs.arena)
    write_page(
        "report.html.j2",
        destination,
        figures,
        title=str(inputs.summary.get("experiment", "experiment")),
        facts=_facts(inputs),
        rows=[*rows, *(inputs.board.rows() if inputs.board else [])],
        board=inputs.board,
        cards=_cards(rows),
        over_budget=[row.label for row in rows if not row.fits],
        pareto_count=len(inputs.pareto),
        costs=COSTS,
        training=training,
        layers=_with_shares(inputs.layers),
        totals=_totals(inputs.layers),
        time_shares=_time_by_operator(inputs.layers),
        arena=inputs.arena,
        mcu=inputs.mcu,
        evaluation=inputs.evaluation,
        confidence=f"{CONFIDENCE * 100:.0f} %",
        most_classes=_MOST_CLASSES,
        worst=_worst(inputs.evaluation) if inputs.evaluation else [],
        samples=_pictures(inputs.evaluation, inputs.evaluation.samples(_MOST_SAMPLES)) if inputs.evaluation else [],
        mistakes=_pictures(inputs.evaluation, inputs.evaluation.misclassified()[:_MOST_MISTAKES])
        if inputs.evaluation
        else [],
        origins=inputs.origins,
        links=inputs.links,
        provenance=inputs.provenance,
        configuration={section: list(_flatten(value)) for section, value in sorted(inputs.configuration.items())},
    )


def _worst(evaluation: Evaluation) -> list[Share]:
    """All classes, or those that are recognized worst of many."""
    shares = evaluation.by_class
    if len(shares) <= _MOST_CLASSES:
        return shares
    return sorted((share for share in shares if share.count), key=lambda share: share.accuracy or 0.0)[:_MOST_CLASSES]


def _pictures(evaluation: Evaluation, indices: Sequence[int]) -> list[_Picture]:
    names = evaluation.classes
    return [
        _Picture(data_uri(evaluation.images[i]), i, names[evaluation.labels[i]], names[evaluation.predicted[i]])
        for i in indices
    ]


def _facts(inputs: ReportInputs) -> list[tuple[str, str]]:
    summary = inputs.summary
    clock = f"{inputs.mcu.name.upper()}, {inputs.mcu.core}, {inputs.mcu.clock_hz / 1e6:g} MHz"
    facts = [("MCU", clock), ("data set", summary.get("dataset")), ("seed", summary.get("seed"))]
    return [(label, str(value)) for label, value in facts if value is not None]


def _cards(rows: Sequence[HeadlineRow]) -> list[HeadlineRow]:
    by_key = {row.key: row for row in rows}
    return [by_key[key] for key in _CARDS if key in by_key]


def _with_shares(layers: Sequence[LayerRow]) -> list[dict[str, Any]]:
    cycles = [layer["cycles"] or 0 for layer in layers]
    total, largest = sum(cycles), max(cycles, default=0)
    return [
        {
            **layer,
            "share": (layer["cycles"] or 0) / total if total else None,
            "bar": (layer["cycles"] or 0) / largest if largest else 0.0,
            "cycles_per_mac": layer["cycles"] / layer["macs"] if layer["macs"] and layer["cycles"] else None,
        }
        for layer in layers
    ]


def _totals(layers: Sequence[LayerRow]) -> dict[str, float | None]:
    def total(key: str) -> float | None:
        values = [value for layer in layers if (value := layer[key]) is not None]  # type: ignore[literal-required]
        return sum(values) if values else None

    return {key: total(key) for key in ("macs", "flash_bytes", "cycles")}


def _time_by_operator(layers: Sequence[LayerRow]) -> list[_Share]:
    """Shares of the cycles by operator, largest first; those beyond the palette are joined."""
    cycles: dict[str, float] = {}
    for layer in layers:
        cycles[layer["op"]] = cycles.get(layer["op"], 0) + (layer["cycles"] or 0)
    total = sum(cycles.values())
    if not total:
        return []
    ranked = sorted(cycles.items(), key=lambda item: (-item[1], item[0]))
    room = len(PALETTE) - 1
    if len(ranked) > room + 1:
        ranked = [*ranked[:room], ("others", sum(value for _, value in ranked[room:]))]
    return [_Share(name, value / total, color) for (name, value), color in zip(ranked, PALETTE, strict=False) if value]


def _flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, value) for every leaf."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flatten(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list | tuple) and value and all(not isinstance(item, Mapping | list) for item in value):
        yield prefix, ", ".join(str(item) for item in value)
    elif isinstance(value, list | tuple) and value:
        for index, inner in enumerate(value):
            yield from _flatten(inner, f"{prefix}[{index}]")
    else:
        yield prefix, DASH if value is None or value in ([], {}) else str(value)
