# SPDX-License-Identifier: Apache-2.0
"""Locks between processes, whose file says who holds them.

The operating system gives a lock free when its process ends, however it ends: what a dead process has left in the
file is no lock, and is overwritten by the next holder.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from tinyformer.errors import TinyFormerError
from tinyformer.files import make_directory

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Holder:
    """Who holds a lock."""

    what: str
    """What it does, such as the name of an experiment."""
    pid: int
    host: str
    since: str
    """Date and time of day, local."""

    def __str__(self) -> str:
        where = "" if self.host == socket.gethostname() else f" on {self.host}"
        return f"{self.what} (process {self.pid}{where}, since {self.since})"


class LockHeldError(TinyFormerError):
    """Another process holds the lock; ``holder`` is None where its file does not say who."""

    def __init__(self, path: Path, holder: Holder | None) -> None:
        super().__init__(f"{path} is held by {holder or 'another process'}; wait for it to end.")
        self.holder = holder


@contextmanager
def hold(
    path: Path, what: str, *, shared: bool = False, on_wait: Callable[[Holder | None], None] | None = None
) -> Iterator[None]:
    """Hold the lock ``path`` within a ``with`` block.

    Args:
        path: the lock's file; it stays.
        what: what the holder does, for others to read.
        shared: together with other shared holders, but with no other.
        on_wait: called once where another process holds the lock, which is then waited for; without, that is an error.

    Raises:
        LockHeldError: another process holds it.
        TinyFormerError: the file cannot be written, or its file system knows no locks.
    """
    make_directory(path.parent)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise TinyFormerError(f"Cannot write {path} ({error.strerror}); make its directory writable.") from error
    try:
        _acquire(descriptor, path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, on_wait)
        now = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        holder = Holder(what, os.getpid(), socket.gethostname(), now)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def holder_of(path: Path) -> Holder | None:
    """Who says in ``path`` that it holds the lock, or held it last; None where nobody does."""
    try:
        return Holder(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _acquire(descriptor: int, path: Path, mode: int, on_wait: Callable[[Holder | None], None] | None) -> None:
    told = False
    while True:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if on_wait is None:
                raise LockHeldError(path, holder_of(path)) from None
        except OSError as error:
            raise TinyFormerError(
                f"{path} cannot be locked ({error.strerror}); use a file system with locks."
            ) from None
        if not told:
            on_wait(holder_of(path))
            told = True
        time.sleep(_POLL_SECONDS)
