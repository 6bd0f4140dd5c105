# SPDX-License-Identifier: Apache-2.0
"""Figures of a firmware: they add up, agree with the plan, and reach report and README; failures are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig
from tinyformer.config.limits import LimitsConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import CompiledModel, compile_graph, record_profile
from tinyformer.engine.run.firmware import arena_region, build_firmware, largest_arena, run_firmware
from tinyformer.engine.run.package_files import open_package
from tinyformer.engine.run.profile import check_budget, profile_firmware, profile_package
from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Graph, Tensor, Transpose
from tinyformer.mcu.target import load_mcu


def test_figures_add_up(package: Path, model: CompiledModel, mcu: McuConfig, tmp_path: Path) -> None:
    elf = build_firmware(package, mcu, tmp_path / "firmware.elf")
    run = run_firmware(elf, mcu, np.zeros((2, 16, 16, 1), np.int8), directory=package)
    metrics = profile_firmware(elf, mcu, run, directory=package)
    assert metrics.flash_bytes == metrics.constants_bytes + metrics.kernels_bytes + metrics.runtime_bytes
    assert metrics.sram_bytes == metrics.arena_bytes + metrics.stack_bytes + metrics.data_bytes
    assert metrics.arena_bytes == model.schedule.plan.arena_bytes
    assert 100 < metrics.stack_bytes < EngineConfig().stack_bytes
    assert model.report["constants_bytes"] < metrics.constants_bytes < model.report["constants_bytes"] * 1.3
    assert sum(layer.flash_bytes for layer in metrics.layers) == pytest.approx(metrics.constants_bytes, rel=0.03)
    assert sum(layer.cycles for layer in metrics.layers) == pytest.approx(metrics.cycles, rel=0.01)
    assert all(layer.cycles > 0 for layer in metrics.layers)
    assert metrics.latency_ms == pytest.approx(metrics.cycles / 216e3)
    assert "calibrated" in metrics.cycles_source
    assert metrics.kernels_bytes < 24 * 1024


def test_measured_figures_reach_report_and_readme(model: CompiledModel, mcu: McuConfig, tmp_path: Path) -> None:
    directory = model.write(tmp_path / "package")
    assert "Latency" not in (directory / "README.md").read_text()
    metrics = profile_package(directory, mcu)
    record_profile(directory, metrics)
    assert open_package(directory).report["measured"]["flash_bytes"] == metrics.flash_bytes
    readme = (directory / "README.md").read_text()
    assert f"Latency at 216 MHz | {metrics.latency_ms:.3f} ms" in readme
    assert f"{metrics.flash_bytes:,} bytes" in readme and f"{metrics.sram_bytes:,} bytes" in readme
    assert f"{metrics.cycles:,.0f} (" in readme
    changed = {path for path, text in model.files().items() if (directory / path).read_text() != text}
    assert changed == {"README.md", "report.json"}


def test_firmware_over_budget_is_told(package: Path, mcu: McuConfig, tmp_path: Path) -> None:
    elf = build_firmware(package, mcu, tmp_path / "firmware.elf")
    run = run_firmware(elf, mcu, np.zeros((1, 16, 16, 1), np.int8), directory=package, mode="functional")
    metrics = profile_firmware(elf, mcu, run, directory=package)
    check_budget(metrics, mcu, Budget.of(LimitsConfig(), mcu))
    with pytest.raises(TinyFormerError, match=r"needs [\d,]+ bytes of flash but may take 9,000 on stm32f746"):
        check_budget(metrics, mcu, Budget.of(LimitsConfig(flash_bytes=9000), mcu))
    small = mcu.memories["flash"].model_copy(update={"bytes": 16 * 1024})
    tiny = mcu.model_copy(update={"memories": {**mcu.memories, "flash": small}})
    with pytest.raises(TinyFormerError, match="FLASH overflows by"):
        build_firmware(package, tiny, tmp_path / "tiny.elf")


def test_a_failing_firmware_is_told(model: CompiledModel, mcu: McuConfig, tmp_path: Path) -> None:
    directory = model.write(tmp_path / "package")
    source = directory / "src" / "digits.c"
    source.write_text(source.read_text().replace("    return DIGITS_OK;", "    return DIGITS_ERROR_NULL;"))
    elf = build_firmware(directory, mcu, tmp_path / "firmware.elf")
    with pytest.raises(TinyFormerError, match=r"failed on stm32f746 with status 1 .* after 0 of 2 images"):
        run_firmware(elf, mcu, np.zeros((2, 16, 16, 1), np.int8), directory=directory)


@pytest.mark.parametrize(
    ("chip", "arena", "start"),
    [
        ("stm32f746", 10_000, 0x20001000),  # behind the stack in DTCM
        ("stm32f746", 300_000, 0x20001000),  # DTCM and SRAM are adjacent
        ("stm32h743", 10_000, 0x20001000),
        ("stm32h743", 200_000, 0x24000000 + 512 * 1024 - 200_000),  # too large for DTCM
    ],
)
def test_the_arena_begins_in_fast_memory_where_it_can(chip: str, arena: int, start: int) -> None:
    region = arena_region(load_mcu(chip), 4096, arena)
    assert (region.start, region.bytes) == (start, arena)


def test_an_arena_that_fits_nowhere_is_told() -> None:
    with pytest.raises(TinyFormerError, match="fit no contiguous memory of stm32f746"):
        arena_region(load_mcu("stm32f746"), 4096, 330_000)


@pytest.mark.parametrize("chip", ["stm32f407", "stm32f746", "stm32h743", "nrf52840"])
def test_the_largest_arena_is_the_largest_that_has_a_place(chip: str) -> None:
    mcu = load_mcu(chip)
    largest = largest_arena(mcu, 4096)
    assert arena_region(mcu, 4096, largest).bytes == largest
    with pytest.raises(TinyFormerError, match="fit no contiguous memory"):
        arena_region(mcu, 4096, largest + 32)


def test_sram_in_several_places_is_no_single_arena() -> None:
    graph = Graph("large", "x", ("y",))
    graph.tensors = {"x": Tensor("x", (700, 900), 0.1, 0), "y": Tensor("y", (900, 700), 0.1, 0)}
    graph.ops = [Transpose("y", ("x",), "y", (1, 0))]
    with pytest.raises(TinyFormerError, match="several places"):
        compile_graph(graph, load_mcu("stm32h743"), EngineConfig(), "large")


def test_other_microcontrollers_run_the_same_package(package: Path, tmp_path: Path) -> None:
    images = np.random.default_rng(5).integers(-128, 128, (1, 16, 16, 1), np.int8)
    outputs = []
    for chip in ("stm32f746", "stm32h743", "stm32l4r5"):
        mcu = load_mcu(chip)
        elf = build_firmware(package, mcu, tmp_path / f"{chip}.elf")
        outputs.append(run_firmware(elf, mcu, images, directory=package, mode="functional").outputs[0])
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], outputs[2])
