"""Metrics as JSON files: what DVC compares and the report shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinyformer.files import replace_file


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write ``metrics`` with sorted keys; the file is replaced as a whole or not at all.

    NumPy numbers and arrays become plain ones. Raises ``ValueError`` for numbers that are not finite: JSON has none.
    """
    text = json.dumps(metrics, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False, default=_plain)
    replace_file(path, f"{text}\n".encode())


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON value")
