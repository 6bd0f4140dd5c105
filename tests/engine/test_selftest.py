# SPDX-License-Identifier: Apache-2.0
"""The package's own test tells right builds from wrong ones, on host and microcontroller, and costs nothing unused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.engine.foreign_compilers import TARGETS, WARNINGS, relocatable
from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import CompiledModel, compile_graph
from tinyformer.engine.run.firmware import arena_region, build_firmware
from tinyformer.engine.run.host import HostModel
from tinyformer.engine.run.package_files import open_package
from tinyformer.ir.graph import Graph
from tinyformer.mcu.simulator import Simulator
from tinyformer.mcu.toolchain import link_firmware

DIFFERS = -4

MAIN = """
#include "digits.h"
__attribute__((section(".bss.arena"), aligned(8))) static unsigned char arena[DIGITS_ARENA_BYTES];
int main(void) { return -digits_selftest(arena, sizeof arena); }
"""


@pytest.fixture(scope="module")
def wrong(model: CompiledModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with one bias that is another."""
    directory = model.write(tmp_path_factory.mktemp("wrong") / "digits")
    path = directory / "src/digits_weights.c"
    lines = path.read_text().splitlines()
    last = max(i for i, line in enumerate(lines) if line.startswith("    ") and i > len(lines) - 12)
    first, rest = lines[last].split(",", 1)
    lines[last] = f"    {int(first) ^ 0x7F00},{rest}"
    path.write_text("\n".join(lines))
    return directory


def test_host(package: Path, wrong: Path) -> None:
    assert HostModel(package).selftest() == 0
    assert HostModel(wrong).selftest() == DIFFERS


def test_several_outputs(graph: Graph, mcu: McuConfig, tmp_path: Path) -> None:
    several = replace(graph, outputs=(graph.ops[2].output, *graph.outputs))
    directory = compile_graph(several, mcu, EngineConfig(), "several").write(tmp_path / "several")
    assert HostModel(directory).selftest() == 0
    flags = ["-std=c99", *WARNINGS, *TARGETS["cortex-m7"]]
    relocatable([directory / "src/several_selftest.c"], flags, tmp_path / "selftest.o")


def status_on(mcu: McuConfig, directory: Path, scratch: Path) -> int | None:
    """What the self-test returns on the simulated microcontroller, negated."""
    package = open_package(directory)
    (scratch / "main.c").write_text(MAIN)
    region = arena_region(mcu, package.report["stack_bytes"], package.report["arena_bytes"])
    elf = link_firmware(
        [*package.sources, scratch / "main.c"],
        [package.include],
        mcu,
        scratch / "selftest.elf",
        optimize="-O2",
        stack_bytes=package.report["stack_bytes"],
        arena=region,
    )
    return Simulator(mcu, "functional").run(elf).exit_code


def test_microcontroller(package: Path, wrong: Path, mcu: McuConfig, tmp_path: Path) -> None:
    assert status_on(mcu, package, tmp_path) == 0
    assert status_on(mcu, wrong, tmp_path) == -DIFFERS


def test_a_program_that_does_not_call_it_links_none_of_it(graph: Graph, mcu: McuConfig, tmp_path: Path) -> None:
    """Nor the class names: the firmware is that of a package without them."""
    named = replace(graph, classes=tuple(f"class {i}" for i in range(10)))
    directory = compile_graph(named, mcu, EngineConfig(), "digits").write(tmp_path / "digits")
    assert "class 7" in (directory / "include/digits.h").read_text()
    whole = loaded_bytes(build_firmware(directory, mcu, tmp_path / "whole.elf"))
    assert not any(b"class 7" in segment for segment in whole)
    (directory / "src/digits_selftest.c").unlink()
    assert whole == loaded_bytes(build_firmware(directory, mcu, tmp_path / "bare.elf"))


def loaded_bytes(elf: Path) -> list[bytes]:
    """What goes into the microcontroller's memories."""
    with elf.open("rb") as stream:
        return [segment.data() for segment in ELFFile(stream).iter_segments("PT_LOAD")]
