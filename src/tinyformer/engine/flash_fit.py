"""Smaller encodings instead of faster kernels for some operators, where the fastest exceed the flash."""

from __future__ import annotations

from collections.abc import Sequence

from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.layer_report import constants_bytes
from tinyformer.engine.packing import Implementation
from tinyformer.engine.planner import MemoryPlan
from tinyformer.engine.selection import Choose, Step, flash_budget, lower_graph
from tinyformer.ir.graph import Graph, Op

_CODE = 32 * 1024
"""Flash kept free for kernels, parameters and start-up code."""


class FrugalChoice:
    """Picks as another rule does, but what stores least for the operators in ``frugal``."""

    def __init__(self, choose: Choose | None) -> None:
        self._choose = choose
        self.frugal: set[str] = set()
        self.savings: dict[str, int] = {}
        """Bytes of constants between what the other rule picks and what stores least, by operator."""

    def __call__(self, op: Op, candidates: Sequence[Implementation]) -> Implementation:
        """One of ``candidates``."""
        fastest = candidates[0] if self._choose is None else self._choose(op, candidates)
        smallest = min(candidates, key=lambda item: item.constant_bytes)
        self.savings[op.name] = fastest.constant_bytes - smallest.constant_bytes
        return smallest if op.name in self.frugal else fastest


def lower_within_flash(
    graph: Graph, mcu: McuConfig, config: EngineConfig, choose: Choose | None
) -> tuple[list[Step], MemoryPlan]:
    """:func:`.selection.lower_graph`, with small encodings for as few operators as it takes to keep to the flash.

    Those that save most come first. The constants may still be too large: the caller checks.

    Raises:
        TinyFormerError: no kernel runs some operators; all of them are listed.
    """
    choice = FrugalChoice(choose)
    steps, plan = lower_graph(graph, mcu, config, choice)
    excess = constants_bytes(graph, steps) + _CODE - flash_budget(mcu, config)
    for name, saved in sorted(choice.savings.items(), key=lambda item: (-item[1], item[0])):
        if excess <= 0 or saved <= 0:
            break
        choice.frugal.add(name)
        excess -= saved
    return lower_graph(graph, mcu, config, choice) if choice.frugal else (steps, plan)
