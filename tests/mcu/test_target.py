# SPDX-License-Identifier: Apache-2.0
"""Target files and the errors of a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tinyformer.config.compose import compose
from tinyformer.config.load import load_params
from tinyformer.config.location import conf_directory
from tinyformer.errors import TinyFormerError
from tinyformer.mcu.board import load_board
from tinyformer.mcu.target import known_mcus, load_mcu, mcu_directory
from tinyformer.supernas.space import load_space


def test_the_promised_targets_exist() -> None:
    assert {"stm32f746", "stm32f767", "stm32h743", "stm32h7a3", "stm32l4r5", "stm32f407"} <= set(known_mcus())


@pytest.mark.parametrize("name", known_mcus())
def test_target_is_complete(name: str) -> None:
    mcu = load_mcu(name)
    assert mcu.name == name
    assert mcu.validation in ("calibrated", "held-out checked", "blind", "unvalidated")
    assert load_mcu(mcu_directory() / f"{name}.yaml") == mcu


@pytest.mark.parametrize("name", known_mcus())
def test_hydra_composes_the_same(name: str) -> None:
    assert compose(conf_directory(), [f"mcu={name}"]).config.mcu == load_mcu(name)


@pytest.mark.parametrize("core", sorted((mcu_directory() / "core").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_timing_constant_has_a_source(core: Path) -> None:
    text = core.read_text(encoding="utf-8")
    constants = {key for key in yaml.safe_load(text).get("timing", {}) if key != "model"}
    assert constants or "@_here_" in text  # its own, or those of the core that it builds on
    sourced = {line.split(":")[0].strip() for line in text.splitlines() if "  # " in line}
    assert constants <= sourced


def test_a_file_overrides_what_its_core_says(tmp_path: Path) -> None:
    path = tmp_path / "slow.yaml"
    chip = (mcu_directory() / "stm32f746.yaml").read_text(encoding="utf-8")
    path.write_text(chip + "timing: {data_miss_sram: 20}\n", encoding="utf-8")
    ours, theirs = load_mcu(path), load_mcu("stm32f746")
    assert ours.timing.model_dump() == {**theirs.timing.model_dump(), "data_miss_sram": 20}
    assert ours.uarts == theirs.uarts


def test_a_file_builds_on_another_chip(tmp_path: Path) -> None:
    path = tmp_path / "slower.yaml"
    path.write_text("defaults: [stm32f746@_here_, _self_]\nclock_hz: 100000000\n", encoding="utf-8")
    assert load_mcu(path) == load_mcu("stm32f746").model_copy(update={"clock_hz": 100_000_000})


def test_f746_is_the_chip_of_the_data_sheet() -> None:
    mcu = load_mcu("stm32f746")
    assert (mcu.flash_bytes, mcu.sram_bytes, mcu.clock_hz) == (1024 * 1024, 320 * 1024, 216_000_000)
    assert mcu.milliseconds(216_000) == 1.0


@pytest.mark.parametrize("load", [load_mcu, load_board, load_params, load_space])
def test_a_file_that_is_no_text_is_named(load: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "latin_1.yaml"
    path.write_bytes("name: Gerät".encode("latin-1"))
    with pytest.raises(TinyFormerError, match=r"latin_1\.yaml.*not valid YAML"):
        load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("clock_hz: 216000000", "clock_hz: -1"), "clock_hz"),
        (("core@_here_: cortex-m7", "core@_here_: cortex-m3"), "none of cortex-m33, cortex-m4"),
        (("core@_here_: cortex-m7", "cortex-m7"), "write core@_here_: NAME"),
        (("name: stm32f746", "core: cortex-m0plus\nname: stm32f746"), "cortex-m7.*DSP extension"),
        (("name: stm32f746", "title: stm32f746"), "title|name"),
        (("start: 0x20010000", "start: 0x20008000"), "overlap"),
        (("name: stm32f746", "core: cortex-m4\nname: stm32f746"), "single-issue"),
        (("core@_here_: cortex-m7", "core@_here_: cortex-m4"), "flash_accelerator"),
        (("name: stm32f746", "name: [stm32f746"), "not valid YAML"),
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
