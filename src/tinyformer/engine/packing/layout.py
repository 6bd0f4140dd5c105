# SPDX-License-Identifier: Apache-2.0
"""Sizes that kernels and packing have in common, in words of 4 bytes: read from the kernels' ``tf_layout.h``."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import CodeType

from tinyformer.engine.packing.kernel_files import KERNEL_FILES

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_DEFINE = re.compile(r"^#define (TF_\w+)(?:\((\w+)\))? +(\S.*)$", re.MULTILINE)
"""Name, argument if any, and expression."""


class Layout:
    """The macros of a header whose values are whole numbers, or such of one argument."""

    def __init__(self, header: str) -> None:
        self._macros: dict[str, tuple[str, CodeType]] = {}
        for name, argument, expression in _DEFINE.findall(_COMMENT.sub("", header)):
            self._macros[name] = argument, compile(expression.strip().replace("/", "//"), name, "eval")

    def number(self, name: str) -> int:
        """The value of ``name``. Raises ``KeyError`` if the header has no such macro."""
        return self.function(name)(0)

    def function(self, name: str) -> Callable[[int], int]:
        """``name`` as a function of its argument. Raises ``KeyError`` if the header has no such macro."""
        argument, code = self._macros[name]
        used = {used: self.number(used) for used in code.co_names if used != argument}
        return lambda value: int(eval(code, {}, {**used, argument: value}))


_LAYOUT = Layout(KERNEL_FILES["tf_layout.h"].read_text(encoding="utf-8"))

STREAM_SPARE_WORDS = _LAYOUT.number("TF_STREAM_SPARE_WORDS")
DENSE_TILE_SPARE_WORDS = _LAYOUT.number("TF_DENSE_TILE_SPARE_WORDS")
dense_record_words = _LAYOUT.function("TF_DENSE_RECORD_WORDS")
"""Words of a row pair by its input pairs."""

SPARSE_PASS = _LAYOUT.number("TF_SPARSE_PASS")
SPARSE_FIRST_WORDS = _LAYOUT.number("TF_SPARSE_FIRST_WORDS")
SPARSE_PAIR_WORDS = _LAYOUT.number("TF_SPARSE_PAIR_WORDS")
sparse_record_words = _LAYOUT.function("TF_SPARSE_RECORD_WORDS")
"""Words of a row pair by its 2 x 2 blocks, at least 1."""

SINGLE_HEADER_WORDS = _LAYOUT.number("TF_SINGLE_HEADER_WORDS")
SINGLE_BLOCK_WORDS = _LAYOUT.number("TF_SINGLE_BLOCK_WORDS")

BAND_HEIGHT = _LAYOUT.number("TF_BAND_HEIGHT")
INDEX_DIGIT = _LAYOUT.number("TF_INDEX_DIGIT")

filter_words = _LAYOUT.function("TF_FILTER_WORDS")
"""Words of a channel's filter by its height and width, at least 5."""
FILTER_3X3_WORDS = _LAYOUT.number("TF_3X3_FILTER_WORDS")

SOFTMAX_SPARE_WORDS = _LAYOUT.number("TF_SOFTMAX_SPARE_WORDS")
