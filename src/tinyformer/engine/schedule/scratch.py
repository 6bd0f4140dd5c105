# SPDX-License-Identifier: Apache-2.0
"""How much scratch each kernel is offered, so that the arena keeps to the SRAM.

An arena is as large as its largest step: the tensors alive there and the scratch. So only the steps that would exceed
the room are offered less; the others keep all the fast memory there is, and with it kernels of few passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.schedule.planner import ALIGNMENT, MemoryPlan

_WITHOUT_DTCM = 16 * 1024
_LEAST = 1024
"""Bytes that every kernel is offered, room or not: with less, hardly any has the choice."""

_ROUNDING = 256
"""Offers are multiples of this many bytes, so that few differ."""

_ROUNDS = 6
"""Attempts, each aiming lower by what the planner could not lay out without gaps in the one before."""


class Planned(Protocol):
    """A choice of kernels and the memory plan that follows from it."""

    @property
    def plan(self) -> MemoryPlan:
        """The arena."""
        ...


P = TypeVar("P", bound=Planned)


def scratch_limit(mcu: McuConfig, config: EngineConfig) -> int:
    """Bytes of scratch that a kernel may take: the tightly coupled memory that the stack leaves, if there is any."""
    tightly_coupled = [region.bytes for region in mcu.memories.values() if region.kind == "dtcm"]
    return max(tightly_coupled[0] - config.stack_bytes, 0) if tightly_coupled else _WITHOUT_DTCM


def attempts(plan_within: Callable[[Sequence[int]], P], steps: int, limit: int, room: int) -> list[P]:
    """What ``plan_within`` makes of one offer of scratch a step, by turns; the last one fits ``room``, or none does.

    Args:
        plan_within: chooses kernels with at most so many bytes of scratch for each of ``steps`` steps, and plans.
        steps: how many there are.
        limit: bytes offered to all in the first attempt, and at most to any.
        room: bytes that the arena may take.
    """
    offers, target = [limit] * steps, room
    made: list[P] = []
    for _ in range(_ROUNDS):
        made.append(plan_within(offers))
        plan = made[-1].plan
        if plan.arena_bytes <= room or not plan.scratch:
            return made
        if len(made) > 1:
            target -= max(plan.arena_bytes - room, ALIGNMENT)
        last, offers = offers, [_offer(target - used, limit) for used in alive_bytes(plan)]
        if offers == last:
            break
    made.append(plan_within([min(limit, _LEAST)] * steps))
    return made


def alive_bytes(plan: MemoryPlan) -> list[int]:
    """Bytes of the tensors that are alive at each step of ``plan``."""
    tensors = [item for item in plan.placements if item.tensors]
    return [sum(item.size for item in tensors if item.first <= i <= item.last) for i in range(len(plan.steps))]


def _offer(free: int, limit: int) -> int:
    return min(limit, max(free // _ROUNDING * _ROUNDING, _LEAST))
