"""Metrics as JSON files: what DVC compares and the report shows."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinyformer.errors import TinyFormerError


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write ``metrics`` with sorted keys; the file is replaced as a whole or not at all.

    NumPy numbers and arrays become plain ones. Raises ``ValueError`` for numbers that are not finite: JSON has none.
    """
    text = json.dumps(metrics, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False, default=_plain)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        Path(partial).chmod(0o644)  # mkstemp makes files private
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def read_metrics(path: Path) -> dict[str, Any]:
    """Metrics written by :func:`write_metrics`; TinyFormerError where the file is missing or damaged."""
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TinyFormerError(f"The metrics file {path} is missing: run the stage that writes it.") from error
    except (OSError, ValueError) as error:
        raise TinyFormerError(f"The metrics file {path} is damaged ({error}): run its stage again.") from error
    if not isinstance(metrics, dict):
        raise TinyFormerError(f"The metrics file {path} holds no JSON object: run its stage again.")
    return metrics


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON value")
