# SPDX-License-Identifier: Apache-2.0
"""Writing files so that a process killed at any moment leaves the previous one or the new one, never half of it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tinyformer.errors import TinyFormerError


def replace_file(path: Path, content: bytes) -> None:
    """Write ``content`` beside ``path``, flush it to the disk and rename it over ``path``; directories are made.

    Processes that write one path at the same time do not disturb each other: the last one's content stays.

    Raises:
        TinyFormerError: the file cannot be written.
    """
    make_directory(path.parent)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def make_directory(path: Path) -> None:
    """Make the directory ``path``, and those above it, where they are missing.

    Raises:
        TinyFormerError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> TinyFormerError:
    return TinyFormerError(
        f"Cannot write {path} ({error.strerror}); make its directory writable and room on the disk, or choose another."
    )
