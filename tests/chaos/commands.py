# SPDX-License-Identifier: Apache-2.0
"""Commands under attack: how they are started, ended, and judged."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

HANG_SECONDS = 900.0
"""After which a command counts as hanging; the longest that is run takes two minutes on one core."""


class FoundFaultError(Exception):
    """The product did what it must not do; the text says what."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    output: str

    def must(self, condition: bool, text: str) -> None:
        """Complain unless ``condition``.

        Raises:
            FoundFaultError: with ``text`` and the end of what the command printed.
        """
        if not condition:
            raise FoundFaultError(f"{text} (exit status {self.status}):\n{self.output[-2000:]}")

    def in_good_order(self) -> Ended:
        """The command succeeded, or said in a sentence why not."""
        self.must("Traceback" not in self.output, "a traceback")
        self.must(self.status >= 0, f"ended by {-self.status}, a signal that nobody sent")
        self.must(self.status == 0 or "rror" in self.output, "failed without a sentence that says so")
        return self


@dataclass(frozen=True)
class Tinyformer:
    """The command line in a directory."""

    directory: Path
    environment: dict[str, str]

    def start(self, arguments: Sequence[str], log: Path, largest_file: int | None = None) -> subprocess.Popen[bytes]:
        """Start ``tinyformer ARGUMENTS``; writes beyond ``largest_file`` bytes fail as on a full disk."""
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tinyformer.cli", *arguments],
                cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        if largest_file is not None:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest_file, largest_file))
        return process

    def run(self, arguments: Sequence[str], log: Path, largest_file: int | None = None) -> Ended:
        """Run it to its end.

        Raises:
            FoundFaultError: it hangs.
        """
        return end_of(self.start(arguments, log, largest_file), log)


def end_of(process: subprocess.Popen[bytes], log: Path, seconds: float = HANG_SECONDS) -> Ended:
    """Wait for the end of ``process``.

    Raises:
        FoundFaultError: it hangs; it has been killed.
    """
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise FoundFaultError(f"{process.args!r} hangs:\n{_text(log)[-2000:]}") from None
    return Ended(status, _text(log))


def attacked(
    process: subprocess.Popen[bytes], log: Path, seconds: float, attack: Callable[[psutil.Process], None]
) -> Ended | None:
    """Attack ``process`` after ``seconds`` and wait for the end of all it had started; None if it had ended before.

    Raises:
        FoundFaultError: something lives on.
    """
    try:
        process.wait(seconds)
        return None
    except subprocess.TimeoutExpired:
        main = psutil.Process(process.pid)
        tree = [main, *main.children(recursive=True)]
    attack(main)
    ended = end_of(process, log, 60.0)
    deadline = time.monotonic() + 20.0
    while left := [one for one in tree[1:] if _lives(one)]:
        if time.monotonic() > deadline:
            names = "; ".join(" ".join(one.cmdline()[:5]) for one in left if _lives(one))
            for one in left:
                one.kill()
            ended.must(False, f"these live on: {names}")
        time.sleep(0.2)
    return ended


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _text(log: Path) -> str:
    return log.read_text("utf-8", errors="replace")
