# SPDX-License-Identifier: Apache-2.0
"""Offers of scratch: what fits is found, and only the steps that exceed the room pay for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig
from tinyformer.config.limits import LimitsConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.schedule.constants import Source
from tinyformer.engine.schedule.planner import MemoryPlan, PlannedStep, align, plan_memory
from tinyformer.engine.schedule.scratch import alive_bytes, attempts
from tinyformer.engine.schedule.selection import lower_graph
from tinyformer.ir.graph import Graph

CONFIG = EngineConfig()


@dataclass(frozen=True)
class Chain:
    """Steps in a row that take all the scratch that they are offered."""

    plan: MemoryPlan
    offers: tuple[int, ...]


def chain(sizes: Sequence[int], offers: Sequence[int]) -> Chain:
    steps = [PlannedStep(f"s{i}", (f"t{i}",), f"t{i + 1}", scratch=offer) for i, offer in enumerate(offers)]
    plan = plan_memory(steps, {f"t{i}": size for i, size in enumerate(sizes)}, "t0", [f"t{len(steps)}"])
    return Chain(plan, tuple(offers))


@given(st.lists(st.integers(1, 40_000), min_size=2, max_size=8), st.integers(0, 60_000))
def test_whatever_fits_with_the_least_scratch_fits(sizes: list[int], spare: int) -> None:
    steps = len(sizes) - 1
    least = chain(sizes, [1024] * steps)
    room = max(alive_bytes(least.plan)) + 1024 + spare
    made = attempts(lambda offers: chain(sizes, offers), steps, 16_384, room)
    assert (made[-1].plan.arena_bytes <= room) == (least.plan.arena_bytes <= room)
    assert all(1024 <= offer <= 16_384 for attempt in made for offer in attempt.offers)


def test_a_convolution_with_room_keeps_its_kernel(graph: Graph, mcu: McuConfig) -> None:
    source = Source.of(graph)
    roomy = lower_graph(source, mcu, CONFIG, Budget.of(LimitsConfig(), mcu))
    alive = alive_bytes(roomy.plan)
    needs = [used + align(step.implementation.scratch_bytes) for used, step in zip(alive, roomy.steps, strict=True)]
    room = sorted(set(needs))[-2] + 256  # all but the largest fit, as offers are rounded
    tight = Budget.of(LimitsConfig(sram_bytes=room + CONFIG.stack_bytes), mcu)
    small = lower_graph(source, mcu, CONFIG, tight)
    assert small.plan.arena_bytes <= room < roomy.plan.arena_bytes
    for need, before, after in zip(needs, roomy.steps, small.steps, strict=True):
        assert after.implementation.kernel == before.implementation.kernel
        kept = after.implementation.scratch_bytes == before.implementation.scratch_bytes
        assert kept == (need <= room), before.op.name


@pytest.mark.parametrize("limit", [0, 512, 4096])
def test_little_scratch_is_not_exceeded(limit: int) -> None:
    assert all(max(made.offers) <= limit for made in attempts(lambda offers: chain([100, 200], offers), 1, limit, 10))
