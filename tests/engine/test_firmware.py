"""Figures of a firmware: they add up, agree with the plan, and reach report and README; failures are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import CompiledModel
from tinyformer.engine.firmware import arena_region, build_firmware, run_firmware
from tinyformer.engine.metrics import check_budgets, measure, with_measurements
from tinyformer.errors import TinyFormerError
from tinyformer.mcu.target import load_mcu


def test_figures_add_up(package: Path, model: CompiledModel, mcu: McuConfig, tmp_path: Path) -> None:
    elf = build_firmware(package, mcu, tmp_path / "firmware.elf")
    run = run_firmware(elf, mcu, np.zeros((2, 16, 16, 1), np.int8), directory=package)
    metrics = measure(elf, mcu, run, directory=package)
    assert metrics.flash_bytes == metrics.constants_bytes + metrics.kernels_bytes + metrics.runtime_bytes
    assert metrics.sram_bytes == metrics.arena_bytes + metrics.stack_bytes + metrics.data_bytes
    assert metrics.arena_bytes == model.plan.arena_bytes
    assert 100 < metrics.stack_bytes < EngineConfig().stack_bytes
    assert model.report["constants_bytes"] < metrics.constants_bytes < model.report["constants_bytes"] * 1.3
    assert sum(layer.flash_bytes for layer in metrics.layers) == pytest.approx(metrics.constants_bytes, rel=0.03)
    assert sum(layer.cycles for layer in metrics.layers) == pytest.approx(metrics.cycles, rel=0.01)
    assert all(layer.cycles > 0 for layer in metrics.layers)
    assert metrics.latency_ms == pytest.approx(metrics.cycles / 216e3)
    assert "calibrated" in metrics.cycles_source
    assert metrics.kernels_bytes < 24 * 1024


def test_measured_figures_reach_report_and_readme(model: CompiledModel, mcu: McuConfig) -> None:
    files = with_measurements(model, mcu).files()
    assert '"flash_bytes": ' in files["report.json"]
    assert "Latency at 216 MHz" in files["README.md"]
    assert "Latency" not in model.files()["README.md"]
    changed = {path for path, text in files.items() if model.files()[path] != text}
    assert changed == {"README.md", "report.json"}


def test_firmware_over_budget_is_told(package: Path, mcu: McuConfig, tmp_path: Path) -> None:
    elf = build_firmware(package, mcu, tmp_path / "firmware.elf")
    run = run_firmware(elf, mcu, np.zeros((1, 16, 16, 1), np.int8), directory=package, mode="functional")
    metrics = measure(elf, mcu, run, directory=package)
    check_budgets(metrics, mcu, EngineConfig())
    with pytest.raises(TinyFormerError, match=r"needs [\d,]+ bytes of flash but stm32f746 has 9,000"):
        check_budgets(metrics, mcu, EngineConfig(flash_bytes=9000))
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


def test_other_microcontrollers_run_the_same_package(package: Path, tmp_path: Path) -> None:
    images = np.random.default_rng(5).integers(-128, 128, (1, 16, 16, 1), np.int8)
    outputs = []
    for chip in ("stm32f746", "stm32h743", "stm32l4r5"):
        mcu = load_mcu(chip)
        elf = build_firmware(package, mcu, tmp_path / f"{chip}.elf")
        outputs.append(run_firmware(elf, mcu, images, directory=package, mode="functional").outputs[0])
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], outputs[2])
