"""Several experiments beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tinyformer.report.figures import comparison_figure
from tinyformer.report.formatting import DASH
from tinyformer.report.headline import METRICS, Metric
from tinyformer.report.page import write_page

Summaries = Mapping[str, Mapping[str, Any]]
"""``summary.json`` by a name that tells the experiments apart (a path, a branch)."""

_ABOUT = ("experiment", "dataset", "mcu", "seed")


@dataclass(frozen=True)
class _Cell:
    text: str
    value: float | None
    best: bool


def print_comparison(summaries: Summaries, console: Console | None = None) -> None:
    """Print one column an experiment; the best value of a row is green."""
    table = Table(header_style="dim", box=SIMPLE_HEAD)
    table.add_column("Figure")
    for name in summaries:
        table.add_column(name, justify="right", overflow="fold")
    for key in _differing(summaries):
        table.add_row(key, *(str(summary.get(key, DASH)) for summary in summaries.values()))
    for metric in _metrics(summaries):
        cells = _cells(metric, summaries)
        table.add_row(metric.label, *(f"[green]{cell.text}[/]" if cell.best else cell.text for cell in cells))
    (console or Console()).print(table)


def write_comparison(summaries: Summaries, destination: Path) -> None:
    """Write the comparison as one self-contained HTML file: a sortable table and accuracy over latency."""
    metrics = _metrics(summaries)
    about = _differing(summaries)
    columns = [_cells(metric, summaries) for metric in metrics]
    figure = comparison_figure(summaries)
    write_page(
        "comparison.html.j2",
        destination,
        {"comparison": figure} if figure["data"] else {},
        title=f"{len(summaries)} experiments compared",
        metrics=metrics,
        about=about,
        rows=[
            (name, [str(summary.get(key, DASH)) for key in about], [column[index] for column in columns])
            for index, (name, summary) in enumerate(summaries.items())
        ],
    )


def _metrics(summaries: Summaries) -> list[Metric]:
    """Those that at least one experiment has."""
    return [metric for metric in METRICS if any(_number(summary, metric) is not None for summary in summaries.values())]


def _differing(summaries: Summaries) -> list[str]:
    """The descriptive keys in which the experiments differ."""
    return [key for key in _ABOUT if len({str(summary.get(key)) for summary in summaries.values()}) > 1]


def _cells(metric: Metric, summaries: Summaries) -> list[_Cell]:
    values = [_number(summary, metric) for summary in summaries.values()]
    known = [value for value in values if value is not None]
    best = None
    if metric.better and len(set(known)) > 1:
        best = max(known) if metric.better == "high" else min(known)
    return [_Cell(metric.shorten(value), value, value is not None and value == best) for value in values]


def _number(summary: Mapping[str, Any], metric: Metric) -> float | None:
    value = summary.get(metric.key)
    return value if isinstance(value, int | float) else None
