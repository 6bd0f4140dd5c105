"""Pieces of C text: identifiers, comments, constant arrays."""

from __future__ import annotations

import re

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
_C_TYPES = {
    np.dtype(np.int8): "int8_t",
    np.dtype(np.uint8): "uint8_t",
    np.dtype(np.int16): "int16_t",
    np.dtype(np.uint16): "uint16_t",
    np.dtype(np.int32): "int32_t",
    np.dtype(np.uint32): "uint32_t",
}
_PER_LINE = {1: 24, 2: 16, 4: 8}


def check_identifier(name: str) -> str:
    """``name``, if it can prefix C symbols and name files; raises :class:`TinyFormerError` otherwise."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in _KEYWORDS or name == "tf":
        raise TinyFormerError(
            f"The model name {name!r} cannot prefix C symbols: use lower-case letters, digits and underscores,"
            " beginning with a letter, and neither a C or C++ keyword nor 'tf'."
        )
    return name


def identifier(text: str) -> str:
    """The lower-case C identifier closest to ``text``: for naming a model after a file."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    name = name if name and name[0].isalpha() else f"model_{name}".rstrip("_")
    return f"{name}_model" if name in _KEYWORDS or name == "tf" else name


def c_type(dtype: np.dtype) -> str:
    """The fixed-width C type of an integer ``dtype``."""
    return _C_TYPES[np.dtype(dtype)]


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


def array_rows(values: NDArray) -> str:
    """The elements of an array, comma-separated, a fixed number a line, indented for an initializer."""
    flat = np.ascontiguousarray(values).reshape(-1)
    if flat.dtype == np.uint32:
        words = [f"0x{value:08x}u" for value in flat.tolist()]
    else:
        words = [literal(value) for value in flat.tolist()]
    count = _PER_LINE[flat.dtype.itemsize]
    return ",\n".join("    " + ", ".join(words[i : i + count]) for i in range(0, len(words), count))
