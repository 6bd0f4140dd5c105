# SPDX-License-Identifier: Apache-2.0
"""The steps of ``tinyformer measure``, and what it prints and writes."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tinyformer.config.board import BoardConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.run.board import (
    BoardLink,
    BoardRun,
    Port,
    build_board_firmware,
    run_board_firmware,
    run_on_board,
)
from tinyformer.engine.run.host import HostModel
from tinyformer.engine.run.package_files import Package
from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Int8Array
from tinyformer.keys import content_digest
from tinyformer.mcu.flashing import Tool, flash
from tinyformer.mcu.target import load_mcu
from tinyformer.pipeline.documents import write_metrics
from tinyformer.report.board import BoardFigures

_SIMULATED_IMAGES = 10
"""The first of those that are measured: cycles hardly depend on the image, and simulating takes longer."""
_SLOWEST = 20.0
"""Times the simulated latency that an answer may take, at the least ten seconds."""


def measure_board(
    package: Package,
    board: BoardConfig,
    port: str | None,
    tool: Tool | None,
    images: Int8Array,
    output: Path,
    firmware: Path | None,
    console: Console,
) -> None:
    """Build, flash, run and compare; see the command's help.

    Raises:
        TinyFormerError: the board's microcontroller is not the package's, a tool or the board fails, or an output
            differs.
    """
    if package.report["mcu"] != board.mcu:
        raise TinyFormerError(
            f"{package.directory} is compiled for {package.report['mcu']}, but {board.name} carries {board.mcu}: "
            "choose another --board, or compile for its microcontroller."
        )
    mcu = load_mcu(board.mcu)
    with tempfile.TemporaryDirectory(prefix="tinyformer-") as scratch:
        elf = build_board_firmware(package.directory, board, mcu, firmware or Path(scratch) / "board.elf")
        if firmware:
            console.print(f"Firmware for {board.name}: {firmware}", highlight=False, markup=False)
        if tool:
            with console.status(f"Flashing {board.name}"):
                flash(elf, board, tool)
        if port is None:
            return
        with console.status("Simulating"):
            simulated = run_board_firmware(elf, mcu, package, images[:_SIMULATED_IMAGES])
        with console.status("Measuring"), _open(port, board) as line:
            seconds = max(10.0, _SLOWEST * mcu.milliseconds(max(simulated.cycles)) / 1000)
            measured = run_on_board(BoardLink(line, package, seconds), package, images)
        figures = _figures(package, board, mcu, measured, simulated, images, content_digest(elf))
    write_metrics(output, figures.model_dump(mode="json"))
    _print(figures, console)
    console.print(f"Written: {output}", highlight=False, markup=False)
    if figures.exact_images < figures.images:
        raise TinyFormerError(
            f"{figures.images - figures.exact_images} of {figures.images} outputs differ from those of the "
            "same C on this computer: check power and clock of the board."
        )


@contextmanager
def _open(port: str, board: BoardConfig) -> Iterator[Port]:
    try:
        import serial  # noqa: PLC0415
    except ImportError:
        raise TinyFormerError("measure needs pyserial: install tinyformer[boards].") from None
    try:
        with serial.Serial(port, board.uart.baud) as line:
            yield line
    except serial.SerialException as error:
        raise TinyFormerError(f"The serial port {port} fails ({error}): check --port, cable and permissions.") from None


def _figures(
    package: Package,
    board: BoardConfig,
    mcu: McuConfig,
    measured: BoardRun,
    simulated: BoardRun,
    images: Int8Array,
    firmware_sha256: str,
) -> BoardFigures:
    expected = HostModel(package.directory).run_all(images)
    equal = [np.array_equal(a, b) for a, b in zip(_rows(expected), _rows(measured.outputs), strict=True)]
    cycles, predicted = statistics.fmean(measured.cycles), statistics.fmean(simulated.cycles)
    same = statistics.fmean(measured.cycles[: len(simulated.cycles)])
    return BoardFigures(
        board=board.name,
        mcu=mcu.name,
        model=package.name,
        model_sha256=package.report["model_sha256"],
        firmware_sha256=firmware_sha256,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        images=len(equal),
        exact_images=sum(equal),
        cycles=cycles,
        cycles_smallest=min(measured.cycles),
        cycles_largest=max(measured.cycles),
        latency_ms=mcu.milliseconds(cycles),
        simulated_cycles=predicted,
        simulation_error=predicted / same - 1,
    )


def _rows(outputs: list[Int8Array]) -> list[Int8Array]:
    """All outputs of an image in one row."""
    return list(np.concatenate([o.reshape(len(o), -1) for o in outputs], axis=1))


def _print(figures: BoardFigures, console: Console) -> None:
    table = Table("Figure", figures.board, "simulated", box=SIMPLE_HEAD)
    table.add_row("Exact outputs", f"{figures.exact_images} of {figures.images}", "")
    table.add_row("Cycles", f"{figures.cycles:,.0f}", f"{figures.simulated_cycles:,.0f}")
    table.add_row("  largest - smallest", f"{figures.cycles_largest - figures.cycles_smallest:,}", "")
    table.add_row("Latency", f"{figures.latency_ms:.3f} ms", f"{figures.simulation_error:+.2%}")
    console.print(table)
