# SPDX-License-Identifier: Apache-2.0
"""The headline figures in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tinyformer.config.mcu import McuConfig
from tinyformer.report.formatting import percent
from tinyformer.report.headline import headline


def print_summary(
    summary: Mapping[str, Any],
    mcu: McuConfig,
    limits: Mapping[str, float | None] | None = None,
    console: Console | None = None,
) -> None:
    """Print ``summary.json`` as a table against the budgets; figures over budget are red."""
    table = Table(title=_title(summary), title_style="bold", title_justify="left", header_style="dim", box=SIMPLE_HEAD)
    table.add_column("Figure", no_wrap=True)
    table.add_column("Value", justify="right", no_wrap=True)
    table.add_column("Budget", justify="right", style="dim", no_wrap=True)
    table.add_column("Used", justify="right", no_wrap=True)
    table.add_column("How it was obtained", style="dim", overflow="fold")
    rows = headline(summary, mcu, limits)
    for row in rows:
        used = Text(percent(row.share, 1) if row.share is not None else "", style="green" if row.fits else "bold red")
        table.add_row(row.label, row.short, row.budget, used, row.obtained)
    console = console or Console()
    console.print(table)
    over = [row.label for row in rows if not row.fits]
    if over:
        console.print(f"[bold red]Over budget:[/] {', '.join(over)}")


def _title(summary: Mapping[str, Any]) -> str:
    parts = [str(summary[key]) for key in ("experiment", "dataset", "mcu") if summary.get(key)]
    return " · ".join(parts)
