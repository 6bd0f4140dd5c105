# SPDX-License-Identifier: Apache-2.0
"""How long each stage took last time, so that its end can be expected."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from tinyformer.files import replace_file


class Durations:
    """Seconds by stage for one recipe, kept in a small JSON file. A damaged file is an empty one."""

    def __init__(self, path: Path, experiment: str) -> None:
        """``experiment`` names the recipe: others take other times."""
        self._path = path
        self._experiment = experiment

    def seconds(self, stage: str) -> float | None:
        """What ``stage`` took last time."""
        value = self._read().get(self._experiment, {}).get(stage)
        return float(value) if isinstance(value, int | float) else None

    def text(self, stage: str) -> str:
        """The same in words; empty where it is not known or no wait."""
        seconds = self.seconds(stage)
        return "" if seconds is None or seconds < 5 else duration(seconds)

    def record(self, stage: str, seconds: float) -> None:
        """Remember that ``stage`` took ``seconds``."""
        known = self._read()
        known[self._experiment] = {**known.get(self._experiment, {}), stage: round(seconds, 1)}
        replace_file(self._path, json.dumps(known, indent=1, sort_keys=True).encode())

    def _read(self) -> dict[str, dict[str, float]]:
        with suppress(OSError, ValueError):
            data = json.loads(self._path.read_text("utf-8"))
            if isinstance(data, dict) and all(isinstance(value, dict) for value in data.values()):
                return data
        return {}


def duration(seconds: float) -> str:
    """``42 s``, ``3 min 5 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
