"""Reading and writing the pipeline's YAML and JSON artefacts: equal values are equal bytes, damage is a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tinyformer.errors import TinyFormerError
from tinyformer.files import replace_file


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys."""
    text = json.dumps(value, indent=1, sort_keys=True) + "\n"
    replace_file(path, text.encode())


def read_json(path: Path) -> Any:
    """Read a JSON artefact.

    Raises:
        TinyFormerError: the file is missing or damaged.
    """
    try:
        return json.loads(_read(path))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise damaged(path) from None


def write_yaml(path: Path, value: Any) -> None:
    """Write block-style YAML in the order of ``value``."""
    replace_file(path, yaml.safe_dump(value, sort_keys=False).encode())


def read_yaml(path: Path) -> Any:
    """Read a YAML artefact. Raises :class:`TinyFormerError` as :func:`read_json`."""
    try:
        return yaml.safe_load(_read(path))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise damaged(path) from None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise TinyFormerError(f"{path} is missing; `tinyformer repro` makes it.") from None


def damaged(path: Path) -> TinyFormerError:
    """What is raised for an artefact that is not what its stage writes."""
    return TinyFormerError(f"{path} is damaged; delete it and run `tinyformer repro`.")
