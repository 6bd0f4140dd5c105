# SPDX-License-Identifier: Apache-2.0
"""``tinyformer zoo``: finished networks with their evidence."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("zoo")
def zoo_command() -> None:
    """Networks that were searched, trained and proven before: list, compile or store them."""


_DIRECTORY = click.option(
    "--zoo", type=click.Path(path_type=Path, file_okay=False), default="zoo", show_default=True, help="Where they lie."
)


@zoo_command.command("list")
@_DIRECTORY
def list_command(zoo: Path) -> None:
    """List the stored networks with their figures."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from tinyformer.pipeline.zoo import entries  # noqa: PLC0415

    stored = entries(zoo)
    if not stored:
        click.echo(f"{zoo} holds no networks; store one with `tinyformer zoo add NAME`.")
        return
    table = Table("Network", "Data", "MCU", "INT8", "Non-zero", "Flash", "SRAM", "Latency", box=SIMPLE_HEAD)
    for entry in stored:
        f = entry.figures
        table.add_row(
            entry.name, f["dataset"], f["mcu"], f"{f['accuracy_int8']:.2%}", f"{f['params_nonzero']:,}",
            f"{f['flash_bytes']:,} B", f"{f['sram_bytes']:,} B", f"{f['latency_ms']:.1f} ms",
        )  # fmt: skip
    Console().print(table)


@zoo_command.command("get")
@click.argument("name")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Directory of the C package (default: the network's name)."
)
@_DIRECTORY
def get_command(name: str, output: Path | None, zoo: Path) -> None:
    """Compile NAME to a C package and verify it: host and simulated firmware against reference and stored figures."""
    from rich.console import Console  # noqa: PLC0415

    from tinyformer.pipeline.zoo import find, restore  # noqa: PLC0415

    console = Console()
    entry = find(name, zoo)
    destination = output or Path(name)
    with console.status(f"Compiling and verifying {name}"):
        measured = restore(entry, destination)
    console.print(
        f"{destination}: bit-exact on the host; flash {measured.flash_bytes:,} B, SRAM {measured.sram_bytes:,} B, "
        f"{measured.latency_ms:.1f} ms ({measured.cycles_source}); "
        f"{entry.figures['accuracy_int8']:.2%} on the test split when it was stored"
    )


@zoo_command.command("add")
@click.argument("name")
@click.argument("project", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".")
@_DIRECTORY
def add_command(name: str, project: Path, zoo: Path) -> None:
    """Store the finished experiment in the directory PROJECT (default: here) as NAME."""
    from tinyformer.pipeline.zoo import add  # noqa: PLC0415

    entry = add(name, project, zoo)
    click.echo(f"{entry.directory}: {sum(path.stat().st_size for path in entry.directory.iterdir()):,} bytes")
