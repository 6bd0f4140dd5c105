# SPDX-License-Identifier: Apache-2.0
"""``tinyformer repro -m``: a sweep."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from tinyformer.experiments.collect import collect
from tinyformer.experiments.sweep import plan
from tinyformer.experiments.table import Watch, print_outcome
from tinyformer.report.compare import write_comparison
from tinyformer.signals import Interrupted


def run_sweep(
    root: Path,
    overrides: tuple[str, ...],
    experiment: str | None,
    name: str | None,
    stage: str | None,
    force: bool,
) -> None:
    """Run the points of ``overrides``, show how far they are, and end with a table; the exit status is 1 where a point
    failed."""
    console = Console()
    sweep = plan(root, overrides, experiment, name)
    place = sweep.directory.relative_to(root)
    finished = sum(point.finished_before for point in sweep.points)
    console.print(f"{len(sweep.points)} points in {place}, {finished} finished before", highlight=False)
    watch = Watch(sweep, console)
    try:
        with watch.live():
            sweep.run(stage, force, watch)
    except Interrupted as interruption:
        click.echo(
            f"Ended by {interruption.signal.name}; finished points are kept: run the same command to go on.", err=True
        )
        raise
    print_outcome(sweep, console)
    failed = sweep.failed()
    if stage is None and len(failed) < len(sweep.points):
        page = sweep.directory / "comparison.html"
        write_comparison(collect([sweep.directory], page), page)
        click.echo(f"The comparison: {page}")
    if failed:
        click.echo(
            f"{len(failed)} of {len(sweep.points)} points failed; their logs are {place}/*/log.txt. "
            "Mend what they name and run the same command: finished points are kept.",
            err=True,
        )
        sys.exit(1)
