# SPDX-License-Identifier: Apache-2.0
"""The serial line of the simulated chip as a pseudo-terminal, which host programs open like a real board's port."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tinyformer.errors import TinyFormerError


@contextmanager
def pseudo_terminal() -> Iterator[tuple[int, str]]:
    """The simulator's end, as a file descriptor that does not block, and the name of the end for other programs.

    Raises:
        TinyFormerError: the operating system has no pseudo-terminals.
    """
    try:
        import pty  # noqa: PLC0415
        import tty  # noqa: PLC0415

        ours, theirs = pty.openpty()
    except (ImportError, OSError) as error:
        raise TinyFormerError("This system has no pseudo-terminals: use --uart TEXT or --uart-script.") from error
    try:
        tty.setraw(theirs)  # bytes as they are, in both directions
        os.set_blocking(ours, False)
        yield ours, os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)  # kept open until now: programs may come and go
