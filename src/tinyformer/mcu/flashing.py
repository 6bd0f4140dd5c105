# SPDX-License-Identifier: Apache-2.0
"""Firmware onto real boards, by the tools that people have for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from tinyformer.config.board import BoardConfig
from tinyformer.errors import TinyFormerError

Tool = Literal["openocd", "pyocd"]
_SECONDS = 180
_LINES = 3


def flash(elf: Path, board: BoardConfig, tool: Tool) -> None:
    """Write ``elf`` into the flash of ``board`` and reset it.

    Raises:
        TinyFormerError: the tool is missing, finds no board, or fails.
    """
    command = _command(elf, board, tool)
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise TinyFormerError(f"{tool} did not end within {_SECONDS} s: reconnect the board and try again.") from None
    if result.returncode:
        said = " ".join((result.stderr or result.stdout).strip().splitlines()[-_LINES:])
        raise TinyFormerError(f"{tool} could not flash {board.name} ({said}): is the board connected?")


def _command(elf: Path, board: BoardConfig, tool: Tool) -> list[str]:
    if tool == "pyocd":
        if find_spec("pyocd") is None:
            raise TinyFormerError("--flash pyocd needs pyOCD: install tinyformer[boards].")
        return [sys.executable, "-m", "pyocd", "flash", "--target", board.pyocd, str(elf)]
    found = shutil.which("openocd")
    if found is None:
        raise TinyFormerError("--flash openocd needs OpenOCD: install it, or use --flash pyocd.")
    return [found, "-f", board.openocd, "-c", f"program {{{elf}}} verify reset exit"]
