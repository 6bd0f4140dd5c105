# SPDX-License-Identifier: Apache-2.0
"""The generated C as a firmware on the simulated microcontroller."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tinyformer.config.mcu import McuConfig
from tinyformer.engine.run.buffers import input_rows, output_bytes, split_outputs
from tinyformer.engine.run.package_files import open_package
from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Int8Array
from tinyformer.mcu.linker_script import LinkRegion, sram_runs
from tinyformer.mcu.simulator import SimulationResult, Simulator
from tinyformer.mcu.toolchain import link_firmware

_LINE = 32
"""Bytes of a cache line: the arena begins at one."""


def build_firmware(
    directory: Path,
    mcu: McuConfig,
    output: Path | None = None,
    *,
    arena: LinkRegion | None = None,
    optimize: str | None = None,
) -> Path:
    """Link the package in ``directory`` and its example program to an ELF file for ``mcu``.

    The file is ``output``, or lies beside the package under the model's name. ``arena`` is where the arena lies, by
    default what :func:`arena_region` recommends; ``optimize`` the compiler's level, by default the package's own.

    Raises:
        TinyFormerError: there is no package, or it does not fit the microcontroller.
    """
    package = open_package(directory)
    report = package.report
    return link_firmware(
        [*package.sources, directory / "example" / "main_mcu.c"],
        [package.include],
        mcu,
        output or directory.with_name(f"{package.name}.elf"),
        optimize=optimize or report["optimize"],
        stack_bytes=report["stack_bytes"],
        arena=arena or arena_region(mcu, report["stack_bytes"], report["arena_bytes"]),
    )


def arena_region(mcu: McuConfig, stack_bytes: int, arena_bytes: int) -> LinkRegion:
    """Region of the arena: its beginning, which is used most, in tightly coupled memory.

    The stack takes the beginning of DTCM and the arena follows; where SRAM begins at the end of DTCM the arena runs on
    into it, elsewhere an arena larger than the rest of DTCM lies at the end of SRAM.

    Raises:
        TinyFormerError: no memory, nor two adjacent ones, are large enough.
    """
    ram = sram_runs(mcu)[0]
    dtcm = next((region for region in mcu.memories.values() if region.kind == "dtcm"), None)
    if dtcm is not None:
        start = _round_up(dtcm.start + stack_bytes)
        end = ram.start + ram.bytes if dtcm.end == ram.start else dtcm.end
        if start + arena_bytes <= end:
            return LinkRegion("ARENA", start, arena_bytes)
    start = (ram.start + ram.bytes - arena_bytes) // _LINE * _LINE
    if start < ram.start + (0 if dtcm else stack_bytes):
        raise TinyFormerError(
            f"The arena of {arena_bytes:,} bytes and the stack of {stack_bytes:,} bytes fit no contiguous memory of"
            f" {mcu.name}: the largest, {ram.name}, has {ram.bytes:,} bytes."
        )
    return LinkRegion("ARENA", start, arena_bytes)


def largest_arena(mcu: McuConfig, stack_bytes: int) -> int:
    """Bytes of the largest arena that :func:`arena_region` finds a place for, beside a stack of ``stack_bytes``.

    Less than all SRAM where that lies in several places, since the arena is one piece.
    """
    ram = sram_runs(mcu)[0]
    dtcm = next((region for region in mcu.memories.values() if region.kind == "dtcm"), None)
    behind = ram.bytes - (0 if dtcm else stack_bytes)
    if dtcm is None:
        return behind // _LINE * _LINE
    start = _round_up(dtcm.start + stack_bytes)
    end = ram.start + ram.bytes if dtcm.end == ram.start else dtcm.end
    return max(behind // _LINE * _LINE, end - start)


def _round_up(address: int) -> int:
    return -(-address // _LINE) * _LINE


@dataclass(frozen=True)
class FirmwareRun:
    """Outputs, cycles and stack of a firmware that was given N images."""

    outputs: list[Int8Array]
    """Each output as (N, ...)."""

    result: SimulationResult
    """The whole run, start-up and input and output included."""

    cycles: float
    """Of one inference, on average over the images; 0 without the cycle model."""

    instructions: float
    """Of one inference, on average over the images; start-up code included in functional mode."""

    layer_cycles: dict[int, float]
    """Of one inference, by number of the layer."""

    stack_bytes: int
    """Most that the stack ever held."""


def run_firmware(
    elf: Path,
    mcu: McuConfig,
    images: Int8Array,
    *,
    directory: Path,
    mode: Literal["timing", "functional"] = "timing",
) -> FirmwareRun:
    """Run ``images`` (N, H, W, C) through a firmware of :func:`build_firmware` on the simulated ``mcu``.

    Args:
        elf: the firmware.
        mcu: the microcontroller that it was built for.
        images: INT8 input, at least one image.
        directory: the package that it was built from.
        mode: ``functional`` gives outputs and instructions, several times faster than with cycles.

    Raises:
        TinyFormerError: the firmware did not end by itself, with status 0 and an output for every image; the message
            says what happened and where.
    """
    package = open_package(directory)
    rows = input_rows(package, images)
    result = Simulator(mcu, mode).run(elf, stdin=rows.tobytes())
    size = output_bytes(package)
    if not result.ok or len(result.stdout) != len(rows) * size:
        reason = str(result.fault) if result.fault else result.reason.name.lower().replace("_", " ")
        raise TinyFormerError(
            f"The firmware {elf.name} failed on {mcu.name} with status {result.exit_code} ({reason}) after"
            f" {len(result.stdout) // size} of {len(rows)} images."
        )
    layers: Counter[int] = Counter()
    for layer in result.layers:
        layers[layer.layer] += layer.cycles
    invoke = [function for function in result.functions if function.name == f"{package.name}_invoke"]
    model = [*result.layers, *invoke]
    return FirmwareRun(
        outputs=split_outputs(package, np.frombuffer(result.stdout, np.int8).reshape(len(rows), size)),
        result=result,
        cycles=sum(part.cycles for part in model) / len(rows),
        instructions=(sum(part.instructions for part in model) if layers else result.instructions) / len(rows),
        layer_cycles={number: cycles / len(rows) for number, cycles in sorted(layers.items())},
        stack_bytes=result.stack_bytes,
    )
