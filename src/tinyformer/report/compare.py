# SPDX-License-Identifier: Apache-2.0
"""Experiments beside each other: in the terminal, as CSV, and as one page."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tinyformer.files import replace_file
from tinyformer.report.comparison_figures import MERIT, front_figure, parallel_figure
from tinyformer.report.experiment import Experiment, differing_keys, leading_keys, repeated, words
from tinyformer.report.figures import COSTS, FigureJson
from tinyformer.report.formatting import DASH, percent
from tinyformer.report.headline import METRICS, Metric
from tinyformer.report.page import write_page

_BUDGETS = ("flash_bytes", "sram_bytes", "latency_ms")
_IN_TERMINAL = (MERIT, *_BUDGETS)
_REPEATED = ("accuracy_float", *_IN_TERMINAL, "cycles")
_ALWAYS_SHOWN = (*_REPEATED, "macs", "block_sparsity")
"""Columns of the page's table; it has the others, too, on demand."""


@dataclass(frozen=True)
class _Cell:
    text: str
    value: float | None
    best: bool
    left: float | None
    """Share of the budget that is left, where there is one."""


def print_comparison(experiments: Sequence[Experiment], console: Console | None = None) -> None:
    """Print a row an experiment: what tells it from the others, its figures and what is left of the budgets."""
    differing = differing_keys(experiments)
    leading = leading_keys(differing, experiments)
    metrics = [metric for metric in _metrics(experiments) if metric.key in _IN_TERMINAL]
    columns = [_cells(metric, experiments) for metric in metrics]
    table = Table(header_style="dim", box=SIMPLE_HEAD)
    table.add_column("Experiment", overflow="fold")
    for key in leading:
        table.add_column(key, overflow="fold")
    for metric in metrics:
        table.add_column(metric.label, justify="right")
    for row, experiment in enumerate(experiments):
        settings = [escape(words(experiment.settings.get(key))) for key in leading]
        table.add_row(escape(experiment.name), *settings, *(_printed(column[row]) for column in columns))
    console = console or Console()
    console.print(table)
    if extra := len(differing) - len(leading):
        console.print(f"{extra} more keys differ; the page and the CSV file have them all.", style="dim")
    for group in repeated(experiments, differing, leading):
        figures = ", ".join(f"{m.label} {_spread(m, group.mean_and_spread(m.key))}" for m in metrics)
        console.print(f"{len(group.experiments)} seeds of {group.label}: {figures}", highlight=False, markup=False)


def write_csv(experiments: Sequence[Experiment], destination: Path) -> None:
    """Write every differing key, every figure and every budget as CSV, a line an experiment."""
    differing, metrics = differing_keys(experiments), _metrics(experiments)
    limits = [key for key in _BUDGETS if any(key in e.limits for e in experiments)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", *differing, *(metric.key for metric in metrics), *(f"limit_{key}" for key in limits)])
    for e in experiments:
        settings = [words(e.settings.get(key)) for key in differing]
        figures = ["" if (value := e.value(metric.key)) is None else value for metric in metrics]
        writer.writerow([e.name, *settings, *figures, *(e.limits.get(key, "") for key in limits)])
    replace_file(destination, text.getvalue().encode())


def write_comparison(experiments: Sequence[Experiment], destination: Path) -> None:
    """Write one self-contained page: all experiments in a table to sort, filter and choose from, Pareto fronts with
    the limits, parallel coordinates, seeds together, and the differences of any two, down to layers."""
    differing = differing_keys(experiments)
    leading = leading_keys(differing, experiments)
    metrics = _metrics(experiments)
    columns = [_cells(metric, experiments) for metric in metrics]
    figures: dict[str, FigureJson] = {}
    for cost in COSTS:
        if any(e.value(cost) and e.value(MERIT) is not None for e in experiments):
            figures[f"front-{cost}"] = front_figure(experiments, cost)
    if len(experiments) > 2 and leading:
        figures["parallel"] = parallel_figure(experiments, leading)
    write_page(
        "comparison.html.j2",
        destination,
        figures,
        data=_data(experiments, differing, metrics, columns),
        title=f"{len(experiments)} experiments compared",
        metrics=[(metric, metric.key in _ALWAYS_SHOWN) for metric in metrics],
        fronts=[(f"front-{cost}", title) for cost, title in COSTS.items() if f"front-{cost}" in figures],
        keys=[(key, key in leading) for key in differing],
        extra=len(leading) < len(differing) or any(metric.key not in _ALWAYS_SHOWN for metric in metrics),
        rows=[
            (e, [words(e.settings.get(key)) for key in differing], [column[row] for column in columns])
            for row, e in enumerate(experiments)
        ],
        repeated=[metric for metric in metrics if metric.key in _REPEATED],
        groups=[
            (
                group.label,
                len(group.experiments),
                [_spread(m, group.mean_and_spread(m.key)) for m in metrics if m.key in _REPEATED],
            )
            for group in repeated(experiments, differing, leading)
        ],
    )


def _data(
    experiments: Sequence[Experiment], differing: Sequence[str], metrics: Sequence[Metric], columns: list[list[_Cell]]
) -> dict[str, Any]:
    """What the page's script needs to show the differences of two experiments."""
    return {
        "names": [e.name for e in experiments],
        "settings": [[key, [words(e.settings.get(key)) for e in experiments]] for key in differing],
        "figures": [[m.label, [cell.text for cell in column]] for m, column in zip(metrics, columns, strict=True)],
        "layers": [
            [
                [layer["name"], layer["op"], layer.get("flash_bytes"), layer.get("cycles"), layer.get("sparsity")]
                for layer in e.layers
            ]
            for e in experiments
        ],
    }


def _metrics(experiments: Sequence[Experiment]) -> list[Metric]:
    """Those that at least one experiment has."""
    return [metric for metric in METRICS if any(e.value(metric.key) is not None for e in experiments)]


def _cells(metric: Metric, experiments: Sequence[Experiment]) -> list[_Cell]:
    values = [e.value(metric.key) for e in experiments]
    known = [value for value in values if value is not None]
    best = None
    if metric.better and len(set(known)) > 1:
        best = max(known) if metric.better == "high" else min(known)
    return [
        _Cell(metric.shorten(value), value, value is not None and value == best, e.left(metric.key))
        for value, e in zip(values, experiments, strict=True)
    ]


def _printed(cell: _Cell) -> str:
    text = f"[green]{cell.text}[/]" if cell.best else cell.text
    if cell.left is None:
        return text
    if cell.left < 0:
        return f"[red]{text} (over by {percent(-cell.left, 0)})[/]"
    return f"{text} ({percent(cell.left, 0)} left)"


def _spread(metric: Metric, figures: tuple[float, float] | None) -> str:
    if figures is None:
        return DASH
    return f"{metric.shorten(figures[0])} ± {metric.shorten(figures[1])}"
