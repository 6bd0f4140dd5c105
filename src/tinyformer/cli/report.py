# SPDX-License-Identifier: Apache-2.0
"""``tinyformer report``."""

from __future__ import annotations

import click


@click.command("report")
def report_command() -> None:
    """Print the headline figures of this project's experiment, and where its report is."""
    from tinyformer.cli.repro import project_root  # noqa: PLC0415
    from tinyformer.config.load import load_params  # noqa: PLC0415
    from tinyformer.pipeline import artifacts  # noqa: PLC0415
    from tinyformer.pipeline.documents import read_json  # noqa: PLC0415
    from tinyformer.report.summary import print_summary  # noqa: PLC0415

    root = project_root()
    config = load_params(root / artifacts.PARAMS)
    print_summary(read_json(root / artifacts.SUMMARY), config.mcu, config.limits.model_dump())
    page = root / artifacts.REPORT / "index.html"
    if page.is_file():
        click.echo(f"\nThe whole report: {page}")
