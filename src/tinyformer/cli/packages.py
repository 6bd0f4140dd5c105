# SPDX-License-Identifier: Apache-2.0
"""Generated packages on the simulated microcontroller, from the command line."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tinyformer.budget import Budget
from tinyformer.cli.shown import Shown
from tinyformer.config.limits import LimitsConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import record_profile
from tinyformer.engine.run.firmware import FirmwareRun, build_firmware, run_firmware
from tinyformer.engine.run.package_files import Package, open_package
from tinyformer.engine.run.profile import check_budget, profile_package
from tinyformer.errors import TinyFormerError
from tinyformer.mcu.simulator import print_result, result_values, with_names

_COSTLIEST = 8
"""Layers that are listed."""


def simulate_package(
    directory: Path,
    mcu: McuConfig,
    images: Path | None,
    output: Path | None,
    mode: Literal["timing", "functional"],
    shown: Shown,
) -> None:
    """Build the package's firmware, run ``images`` (or one random image) through it, print the figures."""
    package = open_package(directory)
    rows = read_images(images, package) if images else random_images(package)
    console = Console(stderr=shown.as_json)
    with tempfile.TemporaryDirectory(prefix="tinyformer-") as scratch, console.status("Simulating"):
        elf = build_firmware(directory, mcu, Path(scratch) / "firmware.elf")
        run = run_firmware(elf, mcu, rows, directory=directory, mode=mode)
    result = with_names(run.result, {layer["index"]: layer["name"] for layer in package.report["layers"]})
    shown.write_profile(result)
    if output:
        np.save(output, run.outputs[0])
        console.print(f"Outputs written: {output}")
    if shown.as_json:
        click.echo(json.dumps({**result_values(result), "inference": _inference(run, mcu)}, indent=2, sort_keys=True))
        return
    if images and not output:
        names = package.report["classes"]
        for i, row in enumerate(run.outputs[0]):
            best = int(row.argmax())
            name = f" ({escape(names[best])})" if names else ""
            console.print(f"image {i}: class {best}{name}, outputs {row.tolist()}")
    print_result(result, console, profile=shown.profile)
    console.print(f"One inference: {run.instructions:,.0f} instructions, {run.stack_bytes:,} bytes of stack", end="")
    console.print(f", {run.cycles:,.0f} cycles, {mcu.milliseconds(run.cycles):.3f} ms" if run.cycles else "")


def _inference(run: FirmwareRun, mcu: McuConfig) -> dict[str, Any]:
    """Figures of one inference, on average over the images, and what came out for each image."""
    return {
        "instructions": run.instructions,
        "cycles": run.cycles,
        "latency_ms": mcu.milliseconds(run.cycles),
        "stack_bytes": run.stack_bytes,
        "outputs": [output.tolist() for output in run.outputs],
    }


def say_what_flash_costs(report: Mapping[str, Any], console: Console) -> None:
    """Print what gave way for the flash, the layers that pay most first."""
    wanted = report["settings"]["optimize"]
    if report["optimize"] != wanted and wanted != "measured":
        console.print(f"To fit the flash, code is compiled at {report['optimize']} instead of {wanted}.")
    trades = report["traded_for_flash"]
    for trade in trades[:_COSTLIEST]:
        console.print(
            escape(
                f"To fit the flash, {trade['layer']} takes {trade['cycles_lost']:+,.0f} cycles: its encoding stores "
                f"{trade['bytes_saved']:,} bytes less, or lets a kernel go."
            )
        )
    if len(trades) > _COSTLIEST:
        console.print(f"So do {len(trades) - _COSTLIEST} more layers (report.json).")


def measure_package(directory: Path, mcu: McuConfig, console: Console) -> None:
    """Simulate one inference of the package's firmware; record and print sizes, cycles and the costliest layers.

    Raises:
        TinyFormerError: the firmware does not fit the microcontroller.
    """
    with console.status("Simulating one inference"):
        measured = profile_package(directory, mcu)
    record_profile(directory, measured)
    table = Table("Figure", "Value", box=SIMPLE_HEAD)
    table.add_row("Flash", f"{measured.flash_bytes:,} bytes")
    table.add_row("SRAM", f"{measured.sram_bytes:,} bytes (arena {measured.arena_bytes:,})")
    table.add_row("Latency", f"{measured.latency_ms:.3f} ms ({measured.cycles:,.0f} cycles)")
    table.add_row("Obtained", measured.cycles_source)
    for layer in sorted(measured.layers, key=lambda layer: -layer.cycles)[:_COSTLIEST]:
        table.add_row(f"  {escape(layer.name)}", f"{layer.cycles:,.0f} cycles, {layer.encoding}")
    console.print(table)
    check_budget(measured, mcu, Budget.of(LimitsConfig(), mcu))


def read_images(path: Path, package: Package) -> NDArray[np.int8]:
    """INT8 images (N, H, W, C) from an .npy file: raw pixels (uint8), real values (floating) or INT8 as it is.

    Raises:
        TinyFormerError: the file is no array of such images, or the model does not say what it sees of a pixel.
    """
    shape = package.input_shape[1:]
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise TinyFormerError(f"{path} does not exist; name an .npy file of images.") from None
    except (ValueError, EOFError, OSError):
        raise TinyFormerError(f"{path} is not a readable .npy file; write it with numpy.save.") from None
    if array.shape == shape:
        array = array[None]
    floating = np.issubdtype(array.dtype, np.floating)
    if array.shape[1:] != shape or not (floating or array.dtype in (np.uint8, np.int8)) or not len(array):
        wanted = ", ".join(map(str, shape))
        raise TinyFormerError(
            f"{path} holds {array.dtype} of shape {array.shape}; the model takes uint8, int8 or float32 of shape (N,"
            f" {wanted})."
        )
    if floating:
        return package.input_rule.from_real(array)
    return package.input_rule.from_pixels(array) if array.dtype == np.uint8 else array.astype(np.int8)


def random_images(package: Package, count: int = 1) -> NDArray[np.int8]:
    """``count`` images of noise, (N, H, W, C), the same each time."""
    return np.random.default_rng(0).integers(-128, 128, (count, *package.input_shape[1:])).astype(np.int8)
