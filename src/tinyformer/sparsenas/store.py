# SPDX-License-Identifier: Apache-2.0
"""Evaluations on disk: one small JSON file each, named by what it depends on, written atomically.

A search that is killed and started again finds what it had evaluated and so repeats its own steps: the result is the
same to the byte. Several searches may share a directory.
"""

from __future__ import annotations

import json
from pathlib import Path

from tinyformer.files import make_directory, replace_file


class EvaluationStore:
    """Accuracies by key. ``None`` as directory: in memory alone.

    Raises :class:`TinyFormerError` where the directory cannot be written. A damaged file counts as missing.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._memory: dict[str, float] = {}
        if directory is not None:
            make_directory(directory)

    def get(self, key: str) -> float | None:
        """The accuracy stored under ``key``, if any."""
        if key in self._memory:
            return self._memory[key]
        if self._directory is None:
            return None
        try:
            entry = json.loads(self._path(key).read_text())
            accuracy = float(entry["accuracy"]) if entry["key"] == key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if accuracy is not None:
            self._memory[key] = accuracy
        return accuracy

    def put(self, key: str, accuracy: float) -> None:
        """Store ``accuracy`` under ``key``; it survives this process from the moment the call returns."""
        self._memory[key] = accuracy
        if self._directory is None:
            return
        entry = json.dumps({"accuracy": accuracy, "key": key}, sort_keys=True) + "\n"
        replace_file(self._path(key), entry.encode())

    def _path(self, key: str) -> Path:
        assert self._directory is not None
        return self._directory / key[:2] / f"{key}.json"
