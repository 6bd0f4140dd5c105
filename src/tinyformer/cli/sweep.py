# SPDX-License-Identifier: Apache-2.0
"""``tinyformer repro -m``: a sweep."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from tinyformer.config.multirun import Line
from tinyformer.experiments.adaptive import Adaptive, AdaptiveSweep
from tinyformer.experiments.collect import collect
from tinyformer.experiments.sweep import Sweep, open_sweep, plan
from tinyformer.experiments.table import Watch, print_outcome
from tinyformer.report.compare import write_comparison
from tinyformer.signals import Interrupted


def run_sweep(
    root: Path, overrides: Line, experiment: str | None, name: str | None, stage: str | None, force: bool
) -> None:
    """Run the points of ``overrides``, show how far they are, and end with a table; the exit status is 1 where a point
    failed."""
    console = Console()
    sweep = plan(root, overrides, experiment, name)
    finished = sum(point.finished_before for point in sweep.points)
    console.print(f"{len(sweep.points)} points in {_place(sweep)}, {finished} finished before", highlight=False)
    _watched(sweep, console, lambda watch: sweep.run(sweep.points, stage, force, watch))
    print_outcome(sweep, console)
    failed = sweep.failed()
    if stage is None and len(failed) < len(sweep.points):
        _compare(sweep)
    if failed:
        click.echo(
            f"{len(failed)} of {len(sweep.points)} points failed; their logs are {_place(sweep)}/*/log.txt. "
            "Mend what they name and run the same command: finished points are kept.",
            err=True,
        )
        sys.exit(1)


def run_adaptive_sweep(
    root: Path, overrides: Line, experiment: str | None, name: str | None, force: bool, adaptive: Adaptive
) -> None:
    """Let an optimizer choose points within ``overrides``; the exit status is 1 where no point has a result."""
    console = Console()
    search = AdaptiveSweep(sweep := open_sweep(root, overrides, experiment, name), adaptive)
    console.print(
        f"{adaptive.trials} trials in {_place(sweep)}, {search.finished} finished before", highlight=False, markup=False
    )
    _watched(sweep, console, lambda watch: search.run(force, watch))
    print_outcome(sweep, console)
    if search.finished < adaptive.trials:
        console.print(f"{search.finished} trials: the space holds no other point.", highlight=False)
    best = search.best()
    if not best:
        click.echo(f"No trial has a result; their logs are {_place(sweep)}/*/log.txt.", err=True)
        sys.exit(1)
    console.print(f"Best in {', '.join(adaptive.objectives)}:", highlight=False)
    for point in best:
        console.print(f"  {point.name}", markup=False, highlight=False, soft_wrap=True)
    _compare(sweep)


def _watched(sweep: Sweep, console: Console, run: Callable[[Watch], None]) -> None:
    watch = Watch(sweep, console)
    try:
        with watch.live():
            run(watch)
    except Interrupted as interruption:
        click.echo(
            f"Ended by {interruption.signal.name}; finished points are kept: run the same command to go on.", err=True
        )
        raise


def _place(sweep: Sweep) -> Path:
    return sweep.directory.relative_to(sweep.workshop.root)


def _compare(sweep: Sweep) -> None:
    page = sweep.directory / "comparison.html"
    write_comparison(collect([sweep.directory], page), page)
    click.echo(f"The comparison: {page}")
