# SPDX-License-Identifier: Apache-2.0
"""``tinyformer measure``: a generated package on a real board."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click


@click.command("measure")
@click.argument("package", type=click.Path(path_type=Path))
@click.option("--port", help="The board's serial port: /dev/ttyACM0, COM3. Without it, only the firmware is built.")
@click.option(
    "--board",
    default="stm32f746g-disco",
    show_default=True,
    help="A board by its name (docs/boards.md), or a YAML file.",
)
@click.option("--flash", type=click.Choice(["openocd", "pyocd"]), help="Flash the firmware first, by this tool.")
@click.option(
    "--input", "images", type=click.Path(path_type=Path), help="Images as for `simulate`; default: random ones."
)
@click.option("--count", default=10, show_default=True, help="Random images.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The figures [default: board.json beside the package]."
)
@click.option("--firmware", type=click.Path(path_type=Path), help="Keep the board's firmware in this ELF file.")
def measure_command(
    package: Path,
    port: str | None,
    board: str,
    flash: Literal["openocd", "pyocd"] | None,
    images: Path | None,
    count: int,
    output: Path | None,
    firmware: Path | None,
) -> None:
    """Run PACKAGE (a generated directory) on a board, and compare outputs and cycles.

    Builds the firmware that serves the model on the board's serial port, flashes it where --flash says how, sends
    images, and reads outputs and the core's own cycle counter. The outputs are compared with those of the same C on
    this computer, the cycles with those of the simulated board, and all of it is written as JSON.
    """
    from rich.console import Console  # noqa: PLC0415

    from tinyformer.cli.board_measurement import measure_board  # noqa: PLC0415
    from tinyformer.cli.packages import random_images, read_images  # noqa: PLC0415
    from tinyformer.engine.run.package_files import open_package  # noqa: PLC0415
    from tinyformer.errors import TinyFormerError  # noqa: PLC0415
    from tinyformer.mcu.board import load_board  # noqa: PLC0415

    if port is None and firmware is None:
        raise click.UsageError("Give --port, or --firmware FILE.elf to build the firmware only.")
    if count < 1:
        raise TinyFormerError(f"--count {count}: measure at least one image.")
    opened = open_package(package)
    rows = read_images(images, opened) if images else random_images(opened, count)
    measure_board(
        opened, load_board(board), port, flash, rows, output or package.parent / "board.json", firmware, Console()
    )
