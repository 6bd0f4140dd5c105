# SPDX-License-Identifier: Apache-2.0
"""The multiple-choice knapsack of :mod:`tinyformer.engine.tune.flash`: bytes are saved, cycles are paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tinyformer.engine.tune.variants import Variant

_CELLS = 4096
"""Bytes are rounded up to so many equal parts of what is missing, at least one byte each."""


def cheapest_rungs(
    variants: Sequence[Variant], missing: int, at_least: Mapping[str, int] | None = None
) -> dict[str, int] | None:
    """By operator, the rung on which together they save ``missing`` bytes of constants for the fewest cycles.

    What ``at_least`` names starts there: its savings come on top. None where even the last rungs do not save as much.
    Operators that stay on the first rung are left out.
    """
    begin = at_least or {}
    cell = max(1, -(-missing // _CELLS))
    wanted = -(-missing // cell)
    least = np.full(wanted + 1, np.inf)
    """Fewest cycles that save at least so many cells, with the operators so far."""
    least[0] = 0.0
    taken: list[tuple[str, np.ndarray]] = []
    for operator in variants[0].constants:
        start = begin.get(operator, 0)
        best, rung_of = least.copy(), np.full(wanted + 1, start)
        for rung in range(start + 1, len(variants)):
            saved = _saved(variants, operator, start, rung) // cell
            if saved <= 0:
                continue
            lost = max(variants[rung].cycles[operator] - variants[start].cycles[operator], 0.0)
            reached = np.concatenate([np.full(min(saved, wanted + 1), least[0]), least])[: wanted + 1]
            better = reached + lost < best
            best, rung_of = np.where(better, reached + lost, best), np.where(better, rung, rung_of)
        least = best
        taken.append((operator, rung_of))
    if not np.isfinite(least[wanted]):
        return None
    rungs: dict[str, int] = {}
    left = wanted
    for operator, rung_of in reversed(taken):
        rung = int(rung_of[left])
        if rung:
            rungs[operator] = rung
            left = max(left - _saved(variants, operator, begin.get(operator, 0), rung) // cell, 0)
    return rungs


def _saved(variants: Sequence[Variant], operator: str, start: int, rung: int) -> int:
    return variants[start].constants[operator] - variants[rung].constants[operator]
