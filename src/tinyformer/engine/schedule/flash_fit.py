# SPDX-License-Identifier: Apache-2.0
"""Smaller encodings instead of faster kernels for some operators, where the fastest exceed the flash."""

from __future__ import annotations

from collections.abc import Sequence

from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.packing import Implementation
from tinyformer.engine.schedule.constants import Source
from tinyformer.engine.schedule.layer_report import constants_bytes
from tinyformer.engine.schedule.objective import lower_for_objective
from tinyformer.engine.schedule.selection import Choose
from tinyformer.engine.schedule.steps import Schedule
from tinyformer.ir.graph import Op

_CODE = 32 * 1024
"""Flash kept free for kernels, parameters and start-up code."""


class SmallestForSome:
    """A rule that picks as another one does, but what stores least for the operators in ``smallest``."""

    def __init__(self, choose: Choose | None) -> None:
        self._choose = choose
        self.smallest: set[str] = set()
        self.savings: dict[str, int] = {}
        """Bytes of constants between what the other rule picks and what stores least, by operator."""

    def __call__(self, op: Op, source: Source, candidates: Sequence[Implementation]) -> Implementation:
        """One of ``candidates``."""
        fastest = candidates[0] if self._choose is None else self._choose(op, source, candidates)
        smallest = min(candidates, key=lambda item: item.constant_bytes)
        self.savings[op.name] = fastest.constant_bytes - smallest.constant_bytes
        return smallest if op.name in self.smallest else fastest


def lower_within_flash(
    source: Source, mcu: McuConfig, config: EngineConfig, budget: Budget, choose: Choose | None
) -> Schedule:
    """:func:`.objective.lower_for_objective`, with small encodings for as few operators as the flash demands.

    Those that save most come first; the objective ``flash`` takes all of them. The constants may still be too large:
    the caller checks.

    Raises:
        TinyFormerError: no kernel runs some operators; all of them are listed.
    """
    choice = SmallestForSome(choose)
    schedule = lower_for_objective(source, mcu, config, budget, choice)
    excess = constants_bytes(schedule) + _CODE - budget.flash_bytes
    for name, saved in sorted(choice.savings.items(), key=lambda item: (-item[1], item[0])):
        if saved <= 0 or (excess <= 0 and config.objective != "flash"):
            break
        choice.smallest.add(name)
        excess -= saved
    return lower_for_objective(source, mcu, config, budget, choice) if choice.smallest else schedule
