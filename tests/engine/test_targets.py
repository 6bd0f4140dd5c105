# SPDX-License-Identifier: Apache-2.0
"""Microcontrollers beside the usual one, and one that a user's own file describes: compiled, simulated, exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.engine.test_exactness import expected_outputs, random_images
from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.run.firmware import FirmwareRun, build_firmware, run_firmware
from tinyformer.ir.graph import Graph
from tinyformer.mcu.target import load_mcu

RP2350 = """
# Raspberry Pi Pico 2: code in QSPI flash behind a 16 KB cache, here half of it for code and half for data.
defaults: [core@_here_: cortex-m33, _self_]
name: rp2350
clock_hz: 150000000
flash_wait_states: 40
memories:
  flash: {start: 0x10000000, bytes: 4194304, kind: flash}
  sram: {start: 0x20000000, bytes: 532480, kind: sram}
flash_accelerator: {read_bytes: 8, line_bytes: 8, instruction_lines: 1024, data_lines: 1024, control: null}
validation: unvalidated
validation_note: Core constants of the Cortex-M4; lines of the cache are fetched at an assumed speed.
"""


def run_exactly(graph: Graph, mcu: McuConfig, directory: Path) -> FirmwareRun:
    """Compile and simulate ``graph`` on ``mcu``; the outputs are the reference's."""
    images = random_images(graph, 2)
    package = compile_graph(graph, mcu, EngineConfig(), "digits").write(directory / "digits")
    run = run_firmware(build_firmware(package, mcu), mcu, images, directory=package)
    np.testing.assert_array_equal(run.outputs[0], expected_outputs(graph, images)[0])
    return run


def test_a_users_file_of_a_cortex_m33(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "rp2350.yaml"
    path.write_text(RP2350, encoding="utf-8")
    mcu = load_mcu(path)
    run = run_exactly(graph, mcu, tmp_path)
    assert run.result.instruction_cache.misses > 0
    path.write_text(RP2350.replace("flash_wait_states: 40", "flash_wait_states: 0"), encoding="utf-8")
    assert run_exactly(graph, load_mcu(path), tmp_path).cycles < run.cycles


def test_nrf52840(graph: Graph, tmp_path: Path) -> None:
    mcu = load_mcu("nrf52840")
    run = run_exactly(graph, mcu, tmp_path)
    assert run.result.instruction_cache.hits > 10 * run.result.instruction_cache.misses > 0  # the cache was switched on
    assert run.result.data_cache.misses > 0  # constants come from flash each time
