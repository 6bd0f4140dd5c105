# SPDX-License-Identifier: Apache-2.0
"""A sweep on the terminal: a live table, or a line for each change where there is no terminal."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from tinyformer.errors import TinyFormerError
from tinyformer.experiments.durations import duration
from tinyformer.experiments.status import Progress
from tinyformer.experiments.sweep import Point, Sweep
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import read_json, read_yaml
from tinyformer.report.headline import METRICS

_SHOWN = ("accuracy_int8", "flash_bytes", "sram_bytes", "latency_ms")
_COLOURS = {"done": "green", "failed": "red", "interrupted": "yellow", "running": "bold", "waiting": "dim"}


class Watch:
    """Shows how far the points of ``sweep`` are, each time it is called."""

    def __init__(self, sweep: Sweep, console: Console) -> None:
        """Nothing is shown before :meth:`live`."""
        self._sweep = sweep
        self._console = console
        definition = read_yaml(sweep.workshop.root / artifacts.DEFINITION, ended=False)["stages"]
        self._stages = [name for name, stage in definition.items() if not stage.get("always_changed")]
        self._live: Live | None = None
        self._said: dict[str, str] = {}

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show the table, and keep it up to date with every call, within a ``with`` block."""
        if not self._console.is_terminal:
            yield
            return
        with Live(self._table(), console=self._console, auto_refresh=False, transient=True) as self._live:
            yield
        self._live = None

    def __call__(self) -> None:
        """Look, and show what has changed."""
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
            return
        for point in self._sweep.points:
            line = self._line(point, point.progress())
            if line and self._said.get(point.name) != line:
                self._said[point.name] = line
                self._console.print(
                    f"{time.strftime('%H:%M:%S')} {line}", markup=False, highlight=False, soft_wrap=True
                )

    def _line(self, point: Point, progress: Progress) -> str:
        if point.finished_before or progress.state == "queued":
            return ""
        if progress.state in ("running", "waiting"):
            return f"{point.name}: {self._stage(progress)}{' (waiting)' * (progress.state == 'waiting')}"
        if progress.state in ("done", "failed", "interrupted"):
            took = duration((progress.ended or time.time()) - progress.began)
            return f"{point.name}: {progress.state} after {took}"
        return self._said.get(point.name, "")

    def _table(self) -> Table:
        table = Table("Point", "Stage", "State", "Elapsed", "Expected end", box=SIMPLE_HEAD, header_style="dim")
        typical = _typical(self._sweep.points)
        for point in self._sweep.points:
            progress = point.progress()
            state = "done" if point.finished_before else progress.state
            elapsed = (progress.ended or time.time()) - progress.began if progress.began else 0
            active = state in ("running", "waiting", "checking")
            table.add_row(
                escape(point.name),
                self._stage(progress) if active or state in ("failed", "interrupted") else "",
                f"[{_COLOURS.get(state, '')}]{state}[/]" if state in _COLOURS else state,
                "before" if point.finished_before else duration(elapsed) if elapsed else "",
                self._expected(progress, typical) if active else "",
            )
        return table

    def _stage(self, progress: Progress) -> str:
        if progress.stage not in self._stages:
            return ""
        return f"{self._stages.index(progress.stage) + 1}/{len(self._stages)} {progress.stage}"

    def _expected(self, progress: Progress, typical: dict[str, float]) -> str:
        """When the point will have ended, by what its stages took in others; empty where that is not known yet."""
        left = self._stages[progress.finished :]
        if not left or any(stage not in typical for stage in left):
            return ""
        return time.strftime("%H:%M:%S", time.localtime(time.time() + sum(typical[stage] for stage in left)))


def print_outcome(sweep: Sweep, console: Console) -> None:
    """Print a row a point: its headline figures, or why it has none."""
    shown = [metric for metric in METRICS if metric.key in _SHOWN]
    table = Table(box=SIMPLE_HEAD, header_style="dim")
    table.add_column("Point", overflow="fold")
    for metric in shown:
        table.add_column(metric.label, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for point in sweep.points:
        try:
            summary = read_json(point.directory / artifacts.SUMMARY) if point not in sweep.failed() else {}
        except TinyFormerError:
            summary = {}
        cells = [metric.shorten(summary[metric.key]) if metric.key in summary else "" for metric in shown]
        table.add_row(escape(point.name), *cells, _note(point))
    console.print(table)


def _note(point: Point) -> str:
    progress = point.progress()
    if point.finished_before:
        return "finished before"
    if progress.state == "done":
        return f"in {duration((progress.ended or progress.began) - progress.began)}"
    reason = escape(point.reason())
    return (
        f"[red]{progress.state}[/]{f' in {progress.stage}' if progress.stage else ''}{f': {reason}' if reason else ''}"
    )


def _typical(points: Sequence[Point]) -> dict[str, float]:
    """Median seconds of each stage that a point has brought up to date, be it without computing."""
    seconds: dict[str, list[float]] = {}
    for point in points:
        for stage, took in point.progress().computed.items():
            seconds.setdefault(stage, []).append(took)
    return {stage: statistics.median(took) for stage, took in seconds.items()}
