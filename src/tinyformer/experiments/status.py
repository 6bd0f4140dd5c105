# SPDX-License-Identifier: Apache-2.0
"""How far an experiment is, in a file that others watch."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from tinyformer.files import replace_file

State = Literal["queued", "running", "waiting", "checking", "done", "failed", "interrupted"]


@dataclass
class Progress:
    """What the file says. ``computed`` are the seconds of the stages that really ran, by name."""

    state: State = "queued"
    stage: str = ""
    finished: int = 0
    """Stages that are up to date."""
    began: float = 0.0
    """Seconds since 1970."""
    ended: float | None = None
    error: str = ""
    computed: dict[str, float] = field(default_factory=dict)


class Status:
    """Writes the file at each change; without a path, nothing."""

    def __init__(self, path: Path | None) -> None:
        """A new experiment begins."""
        self._path = path
        self._progress = Progress(state="checking", began=time.time())
        self._write()

    def begin(self, stage: str) -> None:
        """Whether ``stage`` is up to date is looked up now."""
        self._progress.stage = stage
        self.set("checking")

    def set(self, state: State, error: str = "") -> None:
        """The experiment is in ``state``."""
        self._progress.state, self._progress.error = state, error
        if state in ("done", "failed", "interrupted"):
            self._progress.ended = time.time()
        self._write()

    def computed(self, stage: str, seconds: float) -> None:
        """``stage`` really ran."""
        self._progress.computed[stage] = round(seconds, 2)

    def advance(self) -> None:
        """One more stage is up to date."""
        self._progress.finished += 1
        self._write()

    def _write(self) -> None:
        if self._path is not None:
            replace_file(self._path, json.dumps(asdict(self._progress), sort_keys=True).encode())


def read_status(path: Path) -> Progress:
    """What the file says; ``queued`` where there is none yet, or it is damaged."""
    with suppress(OSError, ValueError, TypeError):
        return Progress(**json.loads(path.read_text("utf-8")))
    return Progress()
