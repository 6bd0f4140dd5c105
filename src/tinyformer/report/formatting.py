# SPDX-License-Identifier: Apache-2.0
"""Numbers as people read them. None becomes a dash."""

from __future__ import annotations

from collections.abc import Sequence

DASH = "–"
_KILO = 1024


def size(count: float | None) -> str:
    """Bytes: ``812 B``, ``46.2 KB``, ``1.00 MB`` (powers of 1024)."""
    if count is None:
        return DASH
    if count < _KILO:
        return f"{count:.0f} B"
    if count < _KILO * _KILO:
        return f"{count / _KILO:.1f} KB"
    return f"{count / _KILO**2:.2f} MB"


def exact_size(count: float | None) -> str:
    """Bytes in full and rounded: ``47,312 B (46.2 KB)``."""
    if count is None or count < _KILO:
        return size(count)
    return f"{count:,.0f} B ({size(count)})"


def percent(share: float | None, digits: int = 2) -> str:
    """A share 0..1: ``98.61 %``."""
    return DASH if share is None else f"{share * 100:.{digits}f} %"


def integer(count: float | None) -> str:
    """``1,294,312``."""
    return DASH if count is None else f"{count:,.0f}"


def compact(count: float | None) -> str:
    """``1.29 M``, ``12.3 k``, ``812``."""
    if count is None:
        return DASH
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(count) >= factor:
            return f"{count / factor:.3g} {unit}" if abs(count) < 999.5 * factor else f"{count / factor:.0f} {unit}"
    return f"{count:g}"


def milliseconds(value: float | None) -> str:
    """Three significant digits: ``4.80 ms``."""
    if value is None:
        return DASH
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f} ms"


def shape(sizes: Sequence[int]) -> str:
    """``16 × 16 × 24``; a leading batch of one is left out."""
    if len(sizes) > 1 and sizes[0] == 1:
        sizes = sizes[1:]
    return " × ".join(str(number) for number in sizes)
