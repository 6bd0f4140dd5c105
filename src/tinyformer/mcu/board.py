# SPDX-License-Identifier: Apache-2.0
"""The boards that TinyFormer knows: one YAML file each beside the code that sets them up."""

from __future__ import annotations

from pathlib import Path

import yaml

from tinyformer.config.board import BoardConfig
from tinyformer.config.described import described
from tinyformer.errors import TinyFormerError

BOARDS = Path(__file__).parent / "boards"
"""Descriptions, and code by the name of their ``support``."""


def known_boards() -> list[str]:
    """Names that :func:`load_board` accepts, sorted."""
    return sorted(path.stem for path in BOARDS.glob("*.yaml"))


def load_board(name_or_path: str | Path) -> BoardConfig:
    """Read the description of a board: a known name, or the path of a YAML file of the same form.

    Raises:
        TinyFormerError: there is none, or the file describes no board.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = BOARDS / f"{name_or_path}.yaml"
        if not path.is_file():
            known = ", ".join(known_boards())
            raise TinyFormerError(f"Unknown board '{name_or_path}': choose one of {known}, or give a .yaml file.")
    with described("board file", path):
        return BoardConfig.model_validate(yaml.safe_load(path.read_bytes()))
