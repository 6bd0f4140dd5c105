# SPDX-License-Identifier: Apache-2.0
"""A content-addressed cache of built files, shared by every process of a user."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock

from tinyformer.errors import TinyFormerError

HEADER_SUFFIXES = {".h", ".hpp", ".inc"}


def cache_directory() -> Path:
    """Where built files live: ``$TINYFORMER_CACHE_DIR``, else ``tinyformer`` in the user's cache directory."""
    explicit = os.environ.get("TINYFORMER_CACHE_DIR")
    base = Path(explicit) if explicit else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    directory = base if explicit else base / "tinyformer"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TinyFormerError(
            f"Cannot create the build cache '{directory}' ({error.strerror}): set TINYFORMER_CACHE_DIR."
        ) from error
    return directory


def content_key(words: Iterable[str], sources: Iterable[Path], include_dirs: Iterable[Path]) -> str:
    """SHA-256 over flags, sources and every header that the sources can include.

    Args:
        words: compiler version, flags and whatever else decides the result.
        sources: files that are compiled; headers beside them count as well.
        include_dirs: searched recursively for headers.
    """
    digest = hashlib.sha256()
    for word in words:
        digest.update(word.encode() + b"\0")
    sources = list(sources)
    headers = {
        header
        for directory in [*include_dirs, *(source.parent for source in sources)]
        for header in (directory.rglob("*") if directory.is_dir() else ())
        if header.suffix in HEADER_SUFFIXES
    }
    for path in [*sources, *sorted(headers)]:
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def build_once(key: str, suffix: str, build: Callable[[Path], None]) -> Path:
    """Return the cached file of ``key``, building it first if it is missing.

    Concurrent processes build a key once: the others wait. ``build`` writes to the path it is given; the file appears
    in the cache under its final name only when complete.
    """
    directory = cache_directory() / "built" / key[:2]
    directory.mkdir(parents=True, exist_ok=True)
    final = directory / f"{key}{suffix}"
    if final.exists():
        return final
    with FileLock(f"{final}.lock"):
        if not final.exists():
            with tempfile.TemporaryDirectory(dir=directory) as scratch:
                partial = Path(scratch) / f"partial{suffix}"
                build(partial)
                partial.replace(final)
    return final


def copy_into_place(cached: Path, output: Path) -> Path:
    """Copy a cached file to ``output`` so that readers never see half of it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}.", delete=False) as partial:
        temporary = Path(partial.name)
    shutil.copyfile(cached, temporary)
    temporary.chmod(0o755)
    return temporary.replace(output)
