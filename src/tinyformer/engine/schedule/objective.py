# SPDX-License-Identifier: Apache-2.0
"""Less scratch instead of faster kernels, where the objective asks for a small arena.

An arena is as large as its largest step: tensors alive and scratch. So the kernels of the other steps keep the scratch
that is there anyway, and only those that would raise the arena get less: they then make several passes over their
input. No kernel or encoding is exchanged for a slower one.
"""

from __future__ import annotations

from dataclasses import replace

from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.packing import Implementation
from tinyformer.engine.schedule.constants import Source
from tinyformer.engine.schedule.planner import align
from tinyformer.engine.schedule.scratch import alive_bytes
from tinyformer.engine.schedule.selection import Choose, admissible, lower_graph
from tinyformer.engine.schedule.steps import Schedule, Step, scheduled

SHARES = {"sram": 1 / 4, "balanced": 1 / 2}
"""Least part of the scratch of the fastest plan that a kernel is left with, by objective; the others leave all."""

_STEP = 1.25
"""Ratio of the limits that are tried, from the least one upwards, until the kernel runs."""


def lower_for_objective(
    source: Source, mcu: McuConfig, config: EngineConfig, budget: Budget, choose: Choose | None = None
) -> Schedule:
    """:func:`.selection.lower_graph`, with less scratch where ``config.objective`` prefers a smaller arena.

    Raises:
        TinyFormerError: no kernel runs some operators; all of them are listed.
    """
    schedule = lower_graph(source, mcu, config, budget, choose)
    share = SHARES.get(config.objective)
    if share is None:
        return schedule
    # A kernel may need much scratch to work in place: sometimes it pays, sometimes little scratch and two tensors do.
    apart = scheduled(source, [_apart(step) for step in schedule.steps])
    found = [with_less_scratch(source, each, config, share) for each in (schedule, apart)]
    return min(found, key=lambda each: each.plan.arena_bytes)


def with_less_scratch(source: Source, schedule: Schedule, config: EngineConfig, share: float) -> Schedule:
    """``schedule`` in the smallest arena that leaves every kernel ``share`` of its scratch, or ``schedule`` itself."""
    occupied = alive_bytes(schedule.plan)
    least = [_least(step, source, config, share) for step in schedule.steps]
    room = max((used + align(item.scratch_bytes) for used, item in zip(occupied, least, strict=True)), default=0)
    steps = []
    for step, used, smallest in zip(schedule.steps, occupied, least, strict=True):
        choice = step.implementation
        if used + align(choice.scratch_bytes) > room:
            choice = _within(step, source, config, room - used) or smallest
        steps.append(replace(step, implementation=choice, calls=choice.calls))
    found = scheduled(source, steps)
    return found if found.plan.arena_bytes < schedule.plan.arena_bytes else schedule


def _apart(step: Step) -> Step:
    """``step`` with scratch or in place, not both."""
    choice = step.implementation
    return replace(step, implementation=replace(choice, in_place=())) if choice.scratch_bytes else step


def _least(step: Step, source: Source, config: EngineConfig, share: float) -> Implementation:
    """The kernel of ``step`` with ``share`` of its scratch, or with the least above it that it runs with."""
    limit = share * step.implementation.scratch_bytes
    while limit and limit < step.implementation.scratch_bytes:
        found = _within(step, source, config, int(limit))
        if found is not None:
            return found
        limit *= _STEP
    return step.implementation


def _within(step: Step, source: Source, config: EngineConfig, limit: int) -> Implementation | None:
    """The kernel and encoding of ``step`` with at most ``limit`` bytes of scratch, if they run with so little, and in
    place if it does."""
    choice = step.implementation
    for item in admissible(step.op, source.graph.tensors, config, limit):
        same = (item.kernel, item.encoding) == (choice.kernel, choice.encoding)
        if same and item.scratch_bytes <= limit and set(item.in_place) >= set(choice.in_place):
            return replace(item, in_place=choice.in_place)
    return None
