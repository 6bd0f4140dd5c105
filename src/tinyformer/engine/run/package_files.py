# SPDX-License-Identifier: Apache-2.0
"""Generated packages on disk, and the way around in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyformer.engine.schedule.layer_report import PACKAGE_FORMAT
from tinyformer.errors import TinyFormerError
from tinyformer.ir.pixels import InputRule, PixelRule


@dataclass(frozen=True)
class Package:
    """A package that :meth:`tinyformer.engine.compiler.CompiledModel.write` wrote."""

    directory: Path
    report: dict[str, Any]

    @property
    def name(self) -> str:
        """Prefix of the symbols."""
        return str(self.report["model"])

    @property
    def sources(self) -> list[Path]:
        """C and assembly files of the library, without the examples."""
        files = (self.directory / "src").rglob("*")
        return sorted(path for path in files if path.suffix in (".c", ".S"))

    @property
    def include(self) -> Path:
        """Directory of the public header."""
        return self.directory / "include"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input, its leading 1 included."""
        return tuple(self.report["input"]["shape"])

    @property
    def input_rule(self) -> InputRule:
        """How real values and raw pixels become the INT8 input."""
        entry = self.report["input"]
        pixels = None if entry["pixels"] is None else PixelRule.from_dict(entry["pixels"])
        return InputRule(entry["scale"], entry["zero_point"], pixels)

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the outputs, leading 1 included."""
        return [tuple(output["shape"]) for output in self.report["outputs"]]

    def memory_plan(self) -> dict[str, Any]:
        """Content of ``memory_plan.json``."""
        return dict(json.loads((self.directory / "memory_plan.json").read_text(encoding="utf-8")))


def write_files(files: Mapping[str, str], directory: Path) -> Path:
    """Write a package's files (text by path) into ``directory``."""
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text, encoding="utf-8")
    return directory


def open_package(directory: Path) -> Package:
    """Read the report of the package in ``directory``.

    Raises:
        TinyFormerError: there is none, or another version of TinyFormer wrote it in another format.
    """
    path = directory / "report.json"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TinyFormerError(f"{directory} holds no generated package ({path.name}: {error}): compile one.") from error
    if report.get("format") != PACKAGE_FORMAT:
        raise TinyFormerError(
            f"{directory} is a package of format {report.get('format', 'none')}, but this is format {PACKAGE_FORMAT}:"
            " compile the model again."
        )
    return Package(directory, report)
