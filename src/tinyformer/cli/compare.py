# SPDX-License-Identifier: Apache-2.0
"""``tinyformer compare``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compare")
@click.argument("places", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The page (default: in the sweep's directory).",
)
@click.option("--csv", "table", type=click.Path(path_type=Path), help="Write all keys and figures as CSV, too.")
def compare_command(places: tuple[Path, ...], output: Path | None, table: Path | None) -> None:
    """Compare finished experiments: PLACES are sweeps (their names, or directories), directories of experiments, or
    summary.json files.

    Prints a table and writes one self-contained HTML page: a table to sort and filter, Pareto fronts with the limits,
    parallel coordinates, seeds together, and the differences of any two down to layers.
    """
    from tinyformer.errors import TinyFormerError  # noqa: PLC0415
    from tinyformer.experiments.collect import SWEEPS, collect  # noqa: PLC0415
    from tinyformer.report.compare import print_comparison, write_comparison, write_csv  # noqa: PLC0415

    if not places:
        found = sorted(path.name for path in SWEEPS.glob("*") if path.is_dir())
        listing = f" Sweeps here: {', '.join(found)}." if found else ""
        raise TinyFormerError(f"Name what to compare: sweeps or directories of experiments.{listing}")
    page = output
    if page is None and len(places) == 1:
        page = next((path / "comparison.html" for path in (places[0], SWEEPS / places[0]) if path.is_dir()), None)
    experiments = collect(places, page)
    print_comparison(experiments)
    if page is not None:
        write_comparison(experiments, page)
        click.echo(f"The comparison: {page.resolve()}")
    if table is not None:
        write_csv(experiments, table)
        click.echo(f"Written: {table}")
