# SPDX-License-Identifier: Apache-2.0
"""Uploading offline runs, wherever their files lie now."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tinyformer.errors import TinyFormerError
from tinyformer.tracking import connection

_UPLOADED = ".synced"
"""wandb leaves a file with this ending beside what it has uploaded."""
_STAGING = "staging"


@dataclass(frozen=True)
class Uploaded:
    """What became of one recording."""

    recording: Path
    problem: str | None
    """Why it was not uploaded."""


def recordings(directory: Path) -> list[Path]:
    """Directories of the offline runs below ``directory`` that are not uploaded yet, oldest first."""
    found = sorted(path.parent for path in directory.glob("**/offline-run-*/run-*.wandb"))
    return [path for path in found if not any(path.glob(f"*{_UPLOADED}"))]


def upload(directory: Path, timeout_s: float) -> Iterator[Uploaded]:
    """Upload the offline runs below ``directory``, each within ``timeout_s`` seconds.

    Raises:
        TinyFormerError: the server does not answer as one, or there are no credentials; nothing was tried then.
    """
    obstacle = connection.obstacle(min(timeout_s, 30))
    if obstacle is not None:
        raise TinyFormerError(f"Nothing was uploaded: {obstacle}.")
    for recording in recordings(directory):
        yield Uploaded(recording, _upload(recording, timeout_s))


def _upload(recording: Path, timeout_s: float) -> str | None:
    """Why ``recording`` could not be uploaded; None where it was."""
    with tempfile.TemporaryDirectory(prefix="tinyformer-sync-") as scratch:
        place = _relocated(recording, Path(scratch))
        command = [sys.executable, "-m", "wandb", "sync", "--no-mark-synced", str(place)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            return f"no end within {timeout_s:g} s"
    text = done.stdout + done.stderr
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if done.returncode or ("error" in text.lower() and "done" not in text.lower()):
        return lines[-1] if lines else f"wandb sync ended with {done.returncode}"
    next(recording.glob("run-*.wandb")).with_suffix(f".wandb{_UPLOADED}").touch()
    return None


def _relocated(recording: Path, scratch: Path) -> Path:
    """The recording with the paths of staged artifacts as they are now; itself where nothing has moved.

    A recording holds absolute paths of the copies of its artifacts. They lie in ``staging`` beside it.
    """
    from tinyformer.tracking.relocation import relocate  # noqa: PLC0415  (loads wandb)

    [source] = recording.glob("run-*.wandb")
    content = relocate(source.read_bytes(), recording.resolve().parent / _STAGING)
    if content is None:
        return recording
    copy = scratch / recording.name
    shutil.copytree(recording, copy, ignore=shutil.ignore_patterns("*.wandb"), symlinks=True)
    (copy / source.name).write_bytes(content)
    return copy
