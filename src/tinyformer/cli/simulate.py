# SPDX-License-Identifier: Apache-2.0
"""``tinyformer simulate``: firmware on the simulated microcontroller, whoever built it."""

from __future__ import annotations

import json
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
    help="For a package: images as .npy, (N, H, W, C): uint8 pixels, float32 real values, or int8.",
)
@click.option("--output", type=click.Path(path_type=Path), help="For a package: where to write the outputs as .npy.")
@click.option(
    "--uart",
    default="",
    help="What the firmware receives on its serial port once it has gone quiet (\\n, \\r are understood); or pty: a "
    "pseudo-terminal for other programs.",
)
@click.option("--uart-after", default="", help="Send --uart only after the firmware has printed this.")
@click.option(
    "--uart-script", type=click.Path(path_type=Path), help="A conversation: lines 'expect TEXT' and 'send TEXT'."
)
@click.option("--until", default="", help="End the run, successfully, when the firmware has printed this.")
@click.option("--functional", is_flag=True, help="Only execute: no cycles, several times faster.")
@click.option("--profile", is_flag=True, help="Print where the time went, by layer and by function.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, with what the firmware printed in it.")
@click.option(
    "--speedscope", type=click.Path(path_type=Path), help="Where to write the profile for https://www.speedscope.app."
)
@click.option("--limit", default=2_000_000_000, show_default=True, help="Instructions after which the run ends.")
def simulate_command(
    firmware: Path,
    mcu: str,
    images: Path | None,
    output: Path | None,
    uart: str,
    uart_after: str,
    uart_script: Path | None,
    until: str,
    functional: bool,
    profile: bool,
    as_json: bool,
    speedscope: Path | None,
    limit: int,
) -> None:
    """Run FIRMWARE: a generated package (directory), an ELF file, Intel HEX, or the raw content of the flash (.bin).

    What the firmware prints goes to standard output. A run ends when the firmware ends it, when it waits and all input
    is used up, or at --until. The exit status is the firmware's own, 0 if it was stopped waiting, and above 100 if it
    failed (a fault, a loop that nothing ends, the limit of instructions or output).
    """
    from rich.console import Console  # noqa: PLC0415

    from tinyformer.cli.shown import Shown  # noqa: PLC0415
    from tinyformer.errors import TinyFormerError  # noqa: PLC0415
    from tinyformer.mcu.simulator import Limits, Simulator, print_result, process_status, result_values  # noqa: PLC0415
    from tinyformer.mcu.simulator.serial_script import conversation, escaped, read_script  # noqa: PLC0415
    from tinyformer.mcu.simulator.terminal import pseudo_terminal  # noqa: PLC0415
    from tinyformer.mcu.target import load_mcu  # noqa: PLC0415

    target = load_mcu(mcu)
    mode: Literal["timing", "functional"] = "functional" if functional else "timing"
    shown = Shown(profile, as_json, speedscope)
    if firmware.is_dir():
        from tinyformer.cli.packages import simulate_package  # noqa: PLC0415 (the compiler, which a file needs not)

        simulate_package(firmware, target, images, output, mode, shown)
        return
    if images or output:
        raise TinyFormerError(f"--input and --output are for generated packages; {firmware} is a file.")
    simulator = Simulator(target, mode)
    console = Console(stderr=True)
    limits = Limits(instructions=limit, stop_text=escaped(until, "--until"))
    if uart == "pty":
        with pseudo_terminal() as (terminal, name):
            console.print(f"Serial port: {name} (Ctrl-C ends the simulation)", markup=False, highlight=False)
            result = simulator.run(firmware, limits=limits, terminal=terminal)
    else:
        if uart_script and (uart or uart_after):
            raise TinyFormerError("--uart-script is the whole conversation: leave out --uart and --uart-after.")
        steps = read_script(uart_script) if uart_script else conversation(uart, uart_after)
        result = simulator.run(firmware, limits=limits, uart=steps)
        if not as_json:
            sys.stdout.write(result.text)
    shown.write_profile(result)
    if as_json:
        click.echo(json.dumps(result_values(result), indent=2, sort_keys=True))
    sys.stdout.flush()
    print_result(result, console, profile=profile)
    sys.exit(process_status(result))
