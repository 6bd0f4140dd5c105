# SPDX-License-Identifier: Apache-2.0
"""A line of overrides as a space to search in: what stays, and what may take which values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.override_parser.types import IntervalSweep, Override

from tinyformer.config.multirun import Line, Words
from tinyformer.errors import TinyFormerError


@dataclass(frozen=True)
class Interval:
    """All numbers from ``low`` to ``high``, both included: ``interval(0.5,0.9)``."""

    low: float
    high: float
    whole: bool
    """Whole numbers only: ``int(interval(1,9))``."""
    logarithmic: bool
    """Equal ratios are equally likely: ``tag(log,interval(1e-4,1e-1))``."""


@dataclass(frozen=True)
class Dimension:
    """A key that varies."""

    key: str
    """As it was written, with a leading ``+`` where there was one."""
    values: Interval | Line
    ordered: bool
    """Neighbours in ``values`` are alike (``range()``); the values of a list need not be."""


def dimensions(words: Words) -> tuple[Line, list[Dimension]]:
    """The overrides that are the same for every point, and the keys that vary.

    Raises:
        TinyFormerError: nothing varies, or an interval is empty.
    """
    fixed = tuple(word.input_line or "" for word in words.task if not word.is_sweep_override())
    found = [_dimension(word) for word in words.task if word.is_sweep_override()]
    if not found:
        raise TinyFormerError(
            "Command line: --trials has nothing to vary; write KEY=interval(A,B), KEY=range(A,B) or KEY=A,B."
        )
    return fixed, found


def line(fixed: Sequence[str], values: dict[str, str]) -> Line:
    """The overrides of the point with ``values`` by key."""
    return (*fixed, *(f"{key}={value}" for key, value in values.items()))


def _dimension(word: Override) -> Dimension:
    key, sweep = word.get_key_element(), word.value()
    if not isinstance(sweep, IntervalSweep):
        return Dimension(key, tuple(word.sweep_string_iterator()), ordered=word.is_range_sweep())
    low, high, logarithmic = sweep.start, sweep.end, "log" in sweep.tags
    if low is None or high is None or low >= high or (logarithmic and low <= 0):
        raise TinyFormerError(
            f"Command line: {word.input_line} holds no numbers; write interval(LOW,HIGH) with LOW below HIGH"
            f"{' and above 0, since it is logarithmic' if logarithmic else ''}."
        )
    return Dimension(key, Interval(low, high, isinstance(low, int) and isinstance(high, int), logarithmic), True)
