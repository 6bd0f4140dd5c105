# SPDX-License-Identifier: Apache-2.0
"""Packages of two experiments in one program: no symbol, macro or file of theirs clashes, and both compute."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.emit.c_text import identifier
from tinyformer.engine.run.package_files import Package, open_package
from tinyformer.ir.graph import Graph
from tinyformer.ir.pixels import PIXELS
from tinyformer.mcu.simulator import Simulator
from tinyformer.mcu.toolchain import compile_host_executable, link_firmware

EXPERIMENTS = ("quickstart", "cifar10-s90")

MAIN = """
#include "quickstart_stm32f746.h"
#include "cifar10_s90_stm32f746.h"

static int64_t first[(QUICKSTART_STM32F746_ARENA_BYTES + 7) / 8];
static int64_t second[(CIFAR10_S90_STM32F746_ARENA_BYTES + 7) / 8];
static const char *const digits[] = QUICKSTART_STM32F746_CLASS_NAMES;
static const char *const animals[] = CIFAR10_S90_STM32F746_CLASS_NAMES;

int main(void) {
  int round;
  for (round = 0; round < 2; ++round) {
    if (quickstart_stm32f746_selftest(first, sizeof first) != QUICKSTART_STM32F746_OK) return 1;
    if (cifar10_s90_stm32f746_selftest(second, sizeof second) != CIFAR10_S90_STM32F746_OK) return 2;
  }
  if (digits[3][0] != '3' || animals[3][0] != 'd') return 3;
  if (quickstart_stm32f746_quantize_pixel(200) == cifar10_s90_stm32f746_quantize_pixel(200)) return 4;
  return quickstart_stm32f746_selftest(second, 16) == QUICKSTART_STM32F746_ERROR_ARENA_TOO_SMALL ? 0 : 5;
}
"""


@pytest.fixture(scope="module")
def packages(graph: Graph, mcu: McuConfig, tmp_path_factory: pytest.TempPathFactory) -> list[Package]:
    """Two networks that differ in weights, input and classes."""
    last = graph.ops[-1]
    source = graph.tensors[graph.input]
    other = replace(
        graph,
        ops=[*graph.ops[:-1], replace(last, bias=last.bias[::-1])],  # type: ignore[attr-defined]
        tensors={**graph.tensors, graph.input: replace(source, scale=PIXELS.scale)},
    )
    found = []
    for experiment, network, names in zip(EXPERIMENTS, (graph, other), ("0123456789", "abcdefghij"), strict=True):
        described = replace(network, pixels=PIXELS, classes=tuple(names))
        model = compile_graph(described, mcu, EngineConfig(), identifier(f"{experiment}_{mcu.name}"))
        found.append(open_package(model.write(tmp_path_factory.mktemp("two") / model.name)))
    return found


@pytest.fixture(scope="module")
def sources(packages: list[Package], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Both libraries and the program."""
    main = tmp_path_factory.mktemp("main") / "main.c"
    main.write_text(MAIN)
    return [*packages[0].sources, *packages[1].sources, main]


def test_host(packages: list[Package], sources: list[Path], tmp_path: Path) -> None:
    program = compile_host_executable(sources, [package.include for package in packages], tmp_path / "both")
    assert subprocess.run([program], check=False).returncode == 0


def test_microcontroller(packages: list[Package], sources: list[Path], mcu: McuConfig, tmp_path: Path) -> None:
    includes = [package.include for package in packages]
    elf = link_firmware(sources, includes, mcu, tmp_path / "both.elf", optimize="-O2", stack_bytes=4096)
    assert Simulator(mcu, "functional").run(elf).exit_code == 0
