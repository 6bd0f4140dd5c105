"""Generated packages on the simulated microcontroller, from the command line."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.firmware import build_firmware, run_firmware
from tinyformer.engine.metrics import check_budgets, measure
from tinyformer.engine.package_files import open_package
from tinyformer.errors import TinyFormerError
from tinyformer.mcu.simulator import print_result

_COSTLIEST = 8
"""Layers that are listed."""


def simulate_package(
    directory: Path,
    mcu: McuConfig,
    images: Path | None,
    output: Path | None,
    mode: Literal["timing", "functional"],
    profile: bool,
) -> None:
    """Build the package's firmware, run ``images`` (or one random image) through it, print the figures."""
    package = open_package(directory)
    rows = read_images(images, package.input_shape[1:]) if images else _random_image(package.input_shape)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="tinyformer-") as scratch, console.status("Simulating"):
        elf = build_firmware(directory, mcu, Path(scratch) / "firmware.elf")
        run = run_firmware(elf, mcu, rows, directory=directory, mode=mode)
    if output:
        np.save(output, run.outputs[0])
        console.print(f"Outputs written: {output}")
    elif images:
        for i, row in enumerate(run.outputs[0]):
            console.print(f"image {i}: class {int(row.argmax())}, outputs {row.tolist()}")
    print_result(run.result, console, profile=profile)
    console.print(f"One inference: {run.instructions:,.0f} instructions, {run.stack_bytes:,} bytes of stack", end="")
    console.print(f", {run.cycles:,.0f} cycles, {mcu.milliseconds(run.cycles):.3f} ms" if run.cycles else "")


def measure_package(directory: Path, mcu: McuConfig, config: EngineConfig) -> None:
    """Build the package's firmware, simulate one inference, and print sizes, cycles and the costliest layers.

    Raises:
        TinyFormerError: the firmware does not fit the microcontroller.
    """
    console = Console()
    image = _random_image(open_package(directory).input_shape)
    with tempfile.TemporaryDirectory(prefix="tinyformer-") as scratch, console.status("Simulating one inference"):
        elf = build_firmware(directory, mcu, Path(scratch) / "firmware.elf")
        measured = measure(elf, mcu, run_firmware(elf, mcu, image, directory=directory), directory=directory)
    table = Table("Figure", "Value", box=SIMPLE_HEAD)
    table.add_row("Flash", f"{measured.flash_bytes:,} bytes")
    table.add_row("SRAM", f"{measured.sram_bytes:,} bytes (arena {measured.arena_bytes:,})")
    table.add_row("Latency", f"{measured.latency_ms:.3f} ms ({measured.cycles:,.0f} cycles)")
    table.add_row("Obtained", measured.cycles_source)
    for layer in sorted(measured.layers, key=lambda layer: -layer.cycles)[:_COSTLIEST]:
        table.add_row(f"  {layer.name}", f"{layer.cycles:,.0f} cycles, {layer.encoding}")
    console.print(table)
    check_budgets(measured, mcu, config)


def read_images(path: Path, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """Images (N, H, W, C) from an .npy file; uint8 pixels become ``pixel - 128``.

    Raises:
        TinyFormerError: the file is no array of such images.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise TinyFormerError(f"{path} does not exist; name an .npy file of images.") from None
    except (ValueError, EOFError, OSError):
        raise TinyFormerError(f"{path} is not a readable .npy file; write it with numpy.save.") from None
    if array.shape == shape:
        array = array[None]
    if array.shape[1:] != shape or array.dtype not in (np.uint8, np.int8) or not len(array):
        wanted = ", ".join(map(str, shape))
        raise TinyFormerError(
            f"{path} holds {array.dtype} of shape {array.shape}; the model takes uint8 or int8 of shape (N, {wanted})."
        )
    return (array.astype(np.int16) - 128).astype(np.int8) if array.dtype == np.uint8 else array


def _random_image(shape: tuple[int, ...]) -> NDArray[np.int8]:
    return np.random.default_rng(0).integers(-128, 128, shape).astype(np.int8)
