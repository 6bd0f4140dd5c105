# SPDX-License-Identifier: Apache-2.0
"""Smaller encodings instead of faster kernels, operator by operator.

A *ladder* holds the implementations of an operator, from the one that another rule picks down to the one that stores
least. How far down each operator goes is decided elsewhere (:mod:`tinyformer.engine.tune.flash`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinyformer.engine.packing import Implementation
from tinyformer.engine.schedule.constants import Source
from tinyformer.engine.schedule.patches import origin
from tinyformer.engine.schedule.selection import Choose
from tinyformer.ir.graph import Op

SMALLEST = 1 << 30
"""A rung below all ladders: the last one."""


class Rungs:
    """A rule that picks as another one does, but further down the ladder where it is told so.

    ``deepest`` is the largest rung that any operator has, known once the rule has picked.
    """

    def __init__(self, choose: Choose | None, rungs: Mapping[str, int] | int = 0) -> None:
        """``rungs`` by operator (patches share their operator's), or one for all."""
        self._choose = choose
        self._rungs = rungs
        self.deepest = 0

    def __call__(self, op: Op, source: Source, candidates: Sequence[Implementation]) -> Implementation:
        """One of ``candidates``."""
        first = candidates[0] if self._choose is None else self._choose(op, source, candidates)
        steps = ladder(first, candidates)
        self.deepest = max(self.deepest, len(steps) - 1)
        rung = self._rungs if isinstance(self._rungs, int) else self._rungs.get(origin(op.name), 0)
        return steps[min(rung, len(steps) - 1)]


def ladder(first: Implementation, candidates: Sequence[Implementation]) -> list[Implementation]:
    """``first`` and those of ``candidates`` that store less, each less than the one before."""
    smaller = sorted(candidates, key=lambda item: -item.constant_bytes)  # stable: the better of equals stays in front
    steps = [first]
    for item in smaller:
        if item.constant_bytes < steps[-1].constant_bytes:
            steps.append(item)
    return steps
