"""``tinyformer simulate``: firmware on the simulated microcontroller, whoever built it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click


@click.command("simulate")
@click.argument("firmware", type=click.Path(path_type=Path))
@click.option("--mcu", default="stm32f746", show_default=True, help="A microcontroller of conf/mcu, or a YAML file.")
@click.option(
    "--input",
    "images",
    type=click.Path(path_type=Path),
    help="For a package: images as .npy, (N, H, W, C), uint8 or int8.",
)
@click.option("--output", type=click.Path(path_type=Path), help="For a package: where to write the outputs as .npy.")
@click.option(
    "--uart", default="", help="Text that the firmware receives on its serial port (\\n, \\r are understood)."
)
@click.option("--functional", is_flag=True, help="Only execute: no cycles, several times faster.")
@click.option("--profile", is_flag=True, help="Print where the time went, by layer and by function.")
@click.option("--limit", default=2_000_000_000, show_default=True, help="Instructions after which the run ends.")
def simulate_command(
    firmware: Path,
    mcu: str,
    images: Path | None,
    output: Path | None,
    uart: str,
    functional: bool,
    profile: bool,
    limit: int,
) -> None:
    """Run FIRMWARE: a generated package (directory), an ELF file, or the raw content of the flash (.bin).

    What the firmware prints goes to standard output. The exit status is the firmware's own, or 1 if it did not end by
    itself (a fault, the limit of instructions, ...).
    """
    from rich.console import Console  # noqa: PLC0415

    from tinyformer.errors import TinyFormerError  # noqa: PLC0415
    from tinyformer.mcu.simulator import Limits, Simulator, print_result, process_status  # noqa: PLC0415
    from tinyformer.mcu.target import load_mcu  # noqa: PLC0415

    target = load_mcu(mcu)
    mode: Literal["timing", "functional"] = "functional" if functional else "timing"
    if firmware.is_dir():
        from tinyformer.cli.packages import simulate_package  # noqa: PLC0415

        simulate_package(firmware, target, images, output, mode, profile)
        return
    if images or output:
        raise TinyFormerError(f"--input and --output are for generated packages; {firmware} is a file.")
    simulator = Simulator(target, mode)
    text = uart.encode().decode("unicode_escape").encode("latin-1")
    result = simulator.run(firmware, limits=Limits(instructions=limit), uart=text)
    sys.stdout.write(result.text)
    print_result(result, Console(stderr=True), profile=profile)
    sys.exit(process_status(result))
