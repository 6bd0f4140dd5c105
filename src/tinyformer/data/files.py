# SPDX-License-Identifier: Apache-2.0
"""What lies behind ``data.root``: which files, and what is in them, at the price of a look at each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tinyformer.config.data import DataConfig
from tinyformer.data.download import user_cache
from tinyformer.data.sources.base import resolve_root
from tinyformer.data.sources.cifar10 import source_files as cifar10_files
from tinyformer.errors import TinyFormerError
from tinyformer.files import replace_file
from tinyformer.keys import content_digest


@dataclass(frozen=True)
class Contents:
    """What changes whenever a file is added, removed, renamed or edited."""

    files: int
    bytes: int
    sha256: str
    """Of the files' names and contents."""


def data_contents(config: DataConfig) -> Contents:
    """The files of the source that ``config`` names; none where it comes with a package or is verified when fetched.

    A file whose size, times and place on the disk are those of last time is not read again.
    """
    root, files = _files(config)
    known = _Memory(root)
    lines, size = [], 0
    for name, path in sorted(files.items()):
        try:
            status = path.stat()
            digest = known.digest(name, path, (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))
        except OSError as error:
            raise TinyFormerError(f"{path}: {error.strerror}; make it readable or remove it.") from error
        size += status.st_size
        lines.append(f"{name} {digest}\n")
    known.write()
    return Contents(len(lines), size, hashlib.sha256("".join(lines).encode()).hexdigest())


def _files(config: DataConfig) -> tuple[Path, Mapping[str, Path]]:
    """The directory (or file) of the source, and its files by name within it."""
    if config.source == "cifar10":
        return cifar10_files(config)
    if config.root is None:
        return Path(), {}
    root = resolve_root(config.root)
    if root.is_dir():
        return root, _by_name(root, root.rglob("*"))
    return root, {root.name: root} if root.is_file() else {}


def _by_name(root: Path, paths: Iterable[Path]) -> dict[str, Path]:
    names = {path.relative_to(root): path for path in paths if path.is_file()}
    return {
        name.as_posix(): path for name, path in names.items() if not any(part.startswith(".") for part in name.parts)
    }


class _Memory:
    """Digests by name and what ``stat`` said, kept in the user's cache. A damaged file is an empty one."""

    def __init__(self, root: Path) -> None:
        name = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
        self._path = user_cache() / "digests" / f"{name}.json"
        self._before: dict[str, list[object]] = {}
        with suppress(OSError, ValueError):
            data = json.loads(self._path.read_text("utf-8"))
            self._before = data if isinstance(data, dict) else {}
        self._now: dict[str, list[object]] = {}

    def digest(self, name: str, path: Path, stat: tuple[int, ...]) -> str:
        entry = self._before.get(name)
        if not (isinstance(entry, list) and len(entry) == 2 and entry[0] == list(stat)):
            entry = [list(stat), content_digest(path)]
        self._now[name] = entry
        return str(entry[1])

    def write(self) -> None:
        if self._now and self._now != self._before:
            with suppress(TinyFormerError):  # it is for speed alone
                replace_file(self._path, json.dumps(self._now).encode())


def plain(contents: Contents) -> dict[str, int | str]:
    """For JSON."""
    return asdict(contents)
