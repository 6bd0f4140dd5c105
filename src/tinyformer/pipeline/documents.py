# SPDX-License-Identifier: Apache-2.0
"""Reading and writing the pipeline's YAML and JSON artefacts: equal values are equal bytes, damage is a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tinyformer.errors import TinyFormerError
from tinyformer.files import replace_file

_END = "\n...\n"
"""YAML's mark of a document's end, on a line of its own."""


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys."""
    text = json.dumps(value, indent=1, sort_keys=True) + "\n"
    replace_file(path, text.encode())


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write ``metrics`` with sorted keys; the file is replaced as a whole or not at all.

    NumPy numbers and arrays become plain ones. Raises ``ValueError`` for numbers that are not finite: JSON has none.
    """
    text = json.dumps(metrics, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False, default=_plain)
    replace_file(path, f"{text}\n".encode())


def read_json(path: Path) -> Any:
    """Read a JSON artefact.

    Raises:
        TinyFormerError: the file is missing or damaged.
    """
    try:
        return json.loads(_read(path))
    except json.JSONDecodeError:
        raise damaged(path) from None


def write_yaml(path: Path, value: Any) -> None:
    """Write block-style YAML in the order of ``value``.

    A mark ends the document: JSON cut short is no JSON, but YAML cut short is YAML.
    """
    replace_file(path, yaml.safe_dump(value, sort_keys=False, explicit_end=True).encode())


def read_yaml(path: Path, ended: bool = False) -> Any:
    """Read YAML that a person wrote, or (``ended``) an artefact of :func:`write_yaml`, of which no line may lack.

    Raises :class:`TinyFormerError` as :func:`read_json`.
    """
    text = _read(path)
    if ended and not text.endswith(_END):
        raise damaged(path)
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise damaged(path) from None


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise TinyFormerError(f"{path} is missing; `tinyformer repro` makes it.") from None
    except UnicodeDecodeError:
        raise damaged(path) from None


def damaged(path: Path) -> TinyFormerError:
    """What is raised for an artefact that is not what its stage writes."""
    return TinyFormerError(f"{path} is damaged; delete it and run `tinyformer repro`.")
