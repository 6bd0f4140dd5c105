"""Target files and the errors of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyformer.errors import TinyFormerError
from tinyformer.mcu.target import known_mcus, load_mcu, mcu_directory


def test_the_promised_targets_exist() -> None:
    assert {"stm32f746", "stm32f767", "stm32h743", "stm32h7a3", "stm32l4r5", "stm32f407"} <= set(known_mcus())


@pytest.mark.parametrize("name", known_mcus())
def test_target_is_complete(name: str) -> None:
    mcu = load_mcu(name)
    assert mcu.name == name
    assert mcu.validation in ("calibrated", "held-out checked", "unvalidated")
    assert load_mcu(mcu_directory() / f"{name}.yaml") == mcu


@pytest.mark.parametrize("name", known_mcus())
def test_every_timing_constant_has_a_source(name: str) -> None:
    text = (mcu_directory() / f"{name}.yaml").read_text(encoding="utf-8")
    constants = {key for key in load_mcu(name).timing.model_dump() if key != "model"}
    sourced = {line.split(":")[0].strip() for line in text.splitlines() if "  # " in line}
    assert constants <= sourced


def test_f746_is_the_chip_of_the_data_sheet() -> None:
    mcu = load_mcu("stm32f746")
    assert (mcu.flash_bytes, mcu.sram_bytes, mcu.clock_hz) == (1024 * 1024, 320 * 1024, 216_000_000)
    assert mcu.milliseconds(216_000) == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("clock_hz: 216000000", "clock_hz: -1"), "clock_hz"),
        (("core: cortex-m7", "core: cortex-m3"), "cortex-m7"),
        (("name: stm32f746", "title: stm32f746"), "title|name"),
        (("start: 0x20010000", "start: 0x20008000"), "overlap"),
        (("core: cortex-m7", "core: cortex-m4"), "single-issue"),
        (("family: f7", "family: [f7"), "not valid YAML"),
    ],
)
def test_wrong_files_are_explained(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    text = (mcu_directory() / "stm32f746.yaml").read_text(encoding="utf-8")
    assert change[0] in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(TinyFormerError, match=message):
        load_mcu(path)


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(TinyFormerError, match=r"stm32f999.*stm32f746.*\.yaml"):
        load_mcu("stm32f999")


def test_missing_file_is_named() -> None:
    with pytest.raises(TinyFormerError, match=r"nowhere\.yaml"):
        load_mcu("nowhere.yaml")
