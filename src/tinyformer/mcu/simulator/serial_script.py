# SPDX-License-Identifier: Apache-2.0
"""Conversations on the serial line, as users write them: texts with escapes, and files of expect and send."""

from __future__ import annotations

import codecs
from pathlib import Path

from tinyformer.errors import TinyFormerError
from tinyformer.mcu.simulator.simulator import SerialStep


def escaped(text: str, name: str) -> bytes:
    r"""The bytes of ``text``, in which ``\n``, ``\r``, ``\x00`` and the like are understood.

    Raises:
        TinyFormerError: an escape is malformed; ``name`` says where.
    """
    try:
        return codecs.escape_decode(text.encode())[0]  # undocumented, but kept for its users
    except ValueError as error:
        raise TinyFormerError(f"{name} has a malformed escape ({error}): write a backslash as \\\\.") from error


def conversation(text: str, after: str) -> list[SerialStep]:
    """The steps of ``--uart TEXT`` and ``--uart-after TEXT``."""
    return [SerialStep(escaped(text, "--uart"), escaped(after, "--uart-after"))] if text else []


def read_script(path: Path) -> list[SerialStep]:
    """The steps of a file with a line ``send TEXT`` for each, where wanted after a line ``expect TEXT``.

    Raises:
        TinyFormerError: the file cannot be read, or a line is neither of these, a comment (``#``) or empty.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TinyFormerError(f"Cannot read the conversation '{path}': {error}.") from error
    steps: list[SerialStep] = []
    expect = b""
    for number, line in enumerate(lines, start=1):
        where = f"{path}, line {number},"
        word, _, text = line.strip().partition(" ")
        if not word or word.startswith("#"):
            continue
        if word == "expect" and text:
            expect = escaped(text, where)
        elif word == "send" and text:
            steps.append(SerialStep(escaped(text, where), expect))
            expect = b""
        else:
            raise TinyFormerError(f"{where} is neither 'expect TEXT' nor 'send TEXT'.")
    return steps
