# SPDX-License-Identifier: Apache-2.0
"""``tinyformer sync``."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("sync")
@click.argument("directory", default="outputs", type=click.Path(path_type=Path))
@click.option("--timeout", default=120, show_default=True, type=click.IntRange(1), help="Seconds for each run.")
def sync_command(directory: Path, timeout: int) -> None:
    """Upload the offline runs of Weights & Biases below DIRECTORY, which may be a copied folder.

    Needs WANDB_API_KEY or `wandb login`; WANDB_BASE_URL names a private server. Runs that are uploaded are marked, and
    left out the next time.
    """
    from tinyformer.errors import TinyFormerError  # noqa: PLC0415
    from tinyformer.tracking.upload import recordings, upload  # noqa: PLC0415

    if not directory.is_dir():
        raise TinyFormerError(f"{directory} is no directory; name one that holds offline runs.")
    waiting = recordings(directory)
    click.echo(f"{len(waiting)} offline runs to upload below {directory}")
    if not waiting:
        return
    failed = 0
    for done in upload(directory, timeout):
        failed += done.problem is not None
        click.echo(f"{done.recording.name}: {done.problem or 'uploaded'}")
    if failed:
        click.echo(f"{failed} of {len(waiting)} were not uploaded; run the same command to try them again.", err=True)
        sys.exit(1)
