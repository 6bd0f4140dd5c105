# SPDX-License-Identifier: Apache-2.0
"""``manifest.json``: what a prepared data set consists of, and how to tell that it is intact."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinyformer.errors import TinyFormerError

FILE_NAME = "manifest.json"


@dataclass(frozen=True)
class ArrayFile:
    """One .npy file: its digest, its size in bytes, and what its header must say."""

    sha256: str
    bytes: int
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Manifest:
    """A prepared data set. ``files`` maps ``<split>_images.npy`` and ``<split>_labels.npy`` to their descriptions."""

    name: str
    origin: str
    classes: tuple[str, ...]
    image_size: int
    channels: int
    seed: int
    """Seed of the splits."""
    official_test: bool
    """Whether the test split is the source's own; else it was held out."""
    counts: dict[str, int]
    """Images a split. Calibration images are also training images."""
    files: dict[str, ArrayFile]
    value_range: tuple[float, float] | None = None
    """The numbers of the source that became the bytes 0 and 255; None (and not in the file) where it has bytes."""

    def write(self, directory: Path) -> None:
        """Write ``manifest.json``: sorted keys, no time stamp."""
        data = asdict(self)
        if self.value_range is None:
            del data["value_range"]
        text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False)
        (directory / FILE_NAME).write_text(text + "\n", encoding="utf-8")

    @staticmethod
    def read(directory: Path) -> Manifest:
        """The manifest of a prepared data set; TinyFormerError where it is missing or damaged."""
        path = directory / FILE_NAME
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            files = {
                name: ArrayFile(**{**entry, "shape": tuple(entry["shape"])}) for name, entry in data["files"].items()
            }
            if value_range := data.get("value_range"):
                data["value_range"] = tuple(value_range)
            return Manifest(**{**data, "classes": tuple(data["classes"]), "files": files})
        except FileNotFoundError as error:
            raise TinyFormerError(f"{path} is missing: prepare the data set first (stage `prepare`).") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise TinyFormerError(
                f"{path} is damaged ({error}): delete {directory} and prepare the data set again."
            ) from error
