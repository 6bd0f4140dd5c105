# SPDX-License-Identifier: Apache-2.0
"""Firmware of the tests, built once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tinyformer.config.mcu import McuConfig
from tinyformer.mcu.target import load_mcu
from tinyformer.mcu.toolchain import link_firmware

FIRMWARE = Path(__file__).parent / "firmware"


@pytest.fixture(scope="session")
def f746() -> McuConfig:
    return load_mcu("stm32f746")


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Link a program of ``tests/mcu/firmware`` (by name) or from its text; returns the ELF file."""

    def link(program: str, mcu: McuConfig, *, suffix: str = ".c", **keywords: object) -> Path:
        directory = tmp_path_factory.mktemp("firmware")
        source = FIRMWARE / f"{program}.c"
        if "\n" in program:
            source = directory / f"program{suffix}"
            source.write_text(program, encoding="utf-8")
        return link_firmware([source], [], mcu, directory / "program.elf", **keywords)

    return link


@pytest.fixture(scope="session")
def link_snippets(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Link a C caller with generated assembly."""

    def link(caller: str, assembly: str, mcu: McuConfig) -> Path:
        directory = tmp_path_factory.mktemp("snippets")
        (directory / "caller.c").write_text(caller, encoding="utf-8")
        (directory / "snippets.S").write_text(assembly, encoding="utf-8")
        return link_firmware([directory / "caller.c", directory / "snippets.S"], [], mcu, directory / "snippets.elf")

    return link
