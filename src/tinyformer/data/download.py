# SPDX-License-Identifier: Apache-2.0
"""Fetching one verified file, with a progress bar."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from tinyformer.errors import TinyFormerError

_TIMEOUT_SECONDS = 20
_CHUNK_BYTES = 1 << 18


def user_cache() -> Path:
    """Where downloads are kept between projects: ``$XDG_CACHE_HOME/tinyformer`` or ``~/.cache/tinyformer``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinyformer"


def download(url: str, destination: Path, md5: str) -> None:
    """Fetch ``url`` to ``destination``, which appears only once complete and verified.

    Raises ``OSError`` (``urllib.error.URLError`` is one) where the network or the disk fails, TinyFormerError where the
    content is not the expected one.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = destination.with_name(destination.name + ".part")
    digest = hashlib.md5(usedforsecurity=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response, Progress(*columns) as progress:
        total = int(response.headers.get("Content-Length", 0)) or None
        task = progress.add_task(destination.name, total=total)
        with partial.open("wb") as file:
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                digest.update(chunk)
                progress.advance(task, len(chunk))
    if digest.hexdigest() != md5:
        partial.unlink()
        raise TinyFormerError(
            f"{url} delivered a damaged file (its md5 is not {md5}): try again, or fetch it by hand to {destination}."
        )
    partial.replace(destination)
