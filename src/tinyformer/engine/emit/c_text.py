# SPDX-License-Identifier: Apache-2.0
"""Pieces of C text: identifiers, comments, constant arrays."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyformer.errors import TinyFormerError

_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        """
        auto break case char const continue default do double else enum extern float for goto if
        inline int long register restrict return short signed sizeof static struct switch typedef
        union unsigned void volatile while bool class delete new namespace operator private
        protected public template this throw try using virtual
        """,
    )
)
_HEADERS = frozenset(
    re.findall(
        r"\w+",
        """
        assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg
        stdatomic stdbit stdbool stdckdint stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar
        wchar wctype
        """,
    )
)
"""Standard headers of C: a package's own header of that name would hide them."""
_TARGETS = frozenset(("all", "clean", "help", "install", "main", "package", "test", "tf"))
"""What build systems, or the package itself, call something else."""
_RESERVED = _KEYWORDS | _HEADERS | _TARGETS
_PER_LINE = {1: 24, 2: 16, 4: 8}


def check_identifier(name: str) -> str:
    """``name``, if it can prefix C symbols and name files; raises :class:`TinyFormerError` otherwise."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in _RESERVED:
        raise TinyFormerError(
            f"The model name {name!r} cannot prefix C symbols: use lower-case letters, digits and underscores,"
            " beginning with a letter, and no keyword, standard header or build target (int, errno, stdint, test, tf)."
        )
    return name


def identifier(text: str) -> str:
    """The lower-case C identifier closest to ``text``: for naming a model after a file."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    name = name if name and name[0].isalpha() else f"model_{name}".rstrip("_")
    return f"{name}_model" if name in _RESERVED else name


def c_string(text: str) -> str:
    """``text`` as a C string literal: UTF-8 bytes, all but plain ASCII in octal."""
    plain = set(range(0x20, 0x7F)) - set(b'"\\?')
    escaped = "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode())
    return f'"{escaped}"'


def comment(text: str) -> str:
    """``text`` (which may hold names from a foreign model file) so that it cannot end or open a C comment."""
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return printable.replace("*/", "* /").replace("/*", "/ *").rstrip("\\").replace("??", "? ?")


def literal(value: int) -> str:
    """An integer literal; the smallest int32 needs an expression, because C has no negative literals."""
    if value == -(2**31):
        return "(-2147483647 - 1)"
    if value > 2**31 - 1:
        return f"{value}u"
    return str(value)


def array_rows(values: NDArray[Any]) -> str:
    """The elements of an array, comma-separated, a fixed number a line, indented for an initializer."""
    flat = np.ascontiguousarray(values).reshape(-1)
    if flat.dtype == np.uint32:
        words = [f"0x{value:08x}u" for value in flat.tolist()]
    else:
        words = [literal(value) for value in flat.tolist()]
    count = _PER_LINE[flat.dtype.itemsize]
    return ",\n".join("    " + ", ".join(words[i : i + count]) for i in range(0, len(words), count))
