# SPDX-License-Identifier: Apache-2.0
"""Signals that end a process, and trees of processes that end as one."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, the system's or a scheduler's request to end, and the terminal that goes away."""

_PATIENCE_SECONDS = 10.0
_WATCH_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1


class Interrupted(SystemExit):
    """A signal of :data:`ENDING` has come; ``code`` is the shell's convention, 128 + its number."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = signal.Signals(number)


def is_interruption(status: int) -> bool:
    """Whether an exit status says that a signal of :data:`ENDING` has ended the process."""
    return any(status in (128 + number, -number) for number in ENDING)


def disregard() -> None:
    """Let signals of :data:`ENDING` pass without effect from now on.

    Not by SIG_IGN: Python reports a signal whose function it no longer finds, because it was already on its way when
    it was ignored, as an error on standard error.
    """
    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@contextmanager
def raised_as_interrupted() -> Iterator[None]:
    """Raise :class:`Interrupted` where a signal of :data:`ENDING` comes within the ``with`` block."""

    def stop(number: int, frame: FrameType | None) -> None:
        disregard()  # once is enough: what is cleaned up now is not interrupted again
        raise Interrupted(number)

    before = {number: signal.signal(number, stop) for number in ENDING if signal.getsignal(number) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_parent() -> None:
    """Send this process SIGTERM when the one that started it ends, be it by SIGKILL (on Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def run_tree(
    command: Sequence[str],
    directory: Path,
    environment: Mapping[str, str],
    output: IO[bytes] | None = None,
    watch: Callable[[], None] = lambda: None,
) -> int:
    """Run ``command`` with all that it starts as one group of processes; returns its exit status.

    A signal of :data:`ENDING` is passed on to the whole group, which is killed where it does not end within ten
    seconds; then :class:`Interrupted` is raised. ``output`` takes what the processes print on both streams;
    ``watch`` is called twice a second while they run, and once at the end.
    """
    with raised_as_interrupted():
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=dict(environment),
            process_group=0,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
        )
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    status = process.wait(_WATCH_SECONDS)
                    watch()
                    return status
                watch()
        except Interrupted as interruption:
            _end_group(process, interruption.signal)
            raise
        except BaseException:
            _end_group(process, signal.SIGTERM)
            raise


def _end_group(process: subprocess.Popen[bytes], number: int) -> None:
    for sent in (number, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_SECONDS)
            break
    with suppress(ProcessLookupError):  # what has outlived its leader
        os.killpg(process.pid, signal.SIGKILL)
