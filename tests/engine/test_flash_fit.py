# SPDX-License-Identifier: Apache-2.0
"""Where the fastest kernels' constants exceed the flash, as few operators as possible take smaller ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.engine.test_exactness import random_images
from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig
from tinyformer.config.limits import LimitsConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.packing import Implementation
from tinyformer.engine.run.host import HostModel
from tinyformer.engine.schedule.constants import Source
from tinyformer.engine.schedule.flash_fit import lower_within_flash
from tinyformer.engine.schedule.layer_report import constants_bytes
from tinyformer.engine.schedule.steps import Schedule
from tinyformer.ir.graph import Graph, Op
from tinyformer.ir.reference import execute

ROOM_FOR_CODE = 32 * 1024


def largest(op: Op, source: Source, candidates: Sequence[Implementation]) -> Implementation:
    """A rule that cares for flash even less than the fastest kernels do."""
    return max(candidates, key=lambda item: item.constant_bytes)


def lower(graph: Graph, mcu: McuConfig, flash_bytes: int | None) -> Schedule:
    budget = Budget.of(LimitsConfig(flash_bytes=flash_bytes), mcu)
    return lower_within_flash(Source.of(graph), mcu, EngineConfig(), budget, largest)


def constants_by_operator(schedule: Schedule) -> dict[str, int]:
    return {step.op.name: step.implementation.constant_bytes for step in schedule.steps}


def test_operators_that_save_most_give_way_first_and_no_more_than_needed(graph: Graph, mcu: McuConfig) -> None:
    roomy, least = lower(graph, mcu, None), lower(graph, mcu, 1)
    most, fewest = constants_bytes(roomy), constants_bytes(least)
    assert fewest < 0.7 * most, "the network must have sparse layers"
    middle = (most + fewest) // 2
    fitted = lower(graph, mcu, middle + ROOM_FOR_CODE)
    assert constants_bytes(fitted) <= middle
    large, small = constants_by_operator(roomy), constants_by_operator(least)
    changed = {name for name, size in constants_by_operator(fitted).items() if size != large[name]}
    saved = {name: large[name] - small[name] for name in large}
    kept = [saved[name] for name in saved if name not in changed]
    assert min(saved[name] for name in changed) >= max(kept)
    assert middle < most - sum(saved[name] for name in changed) + min(saved[name] for name in changed)


def test_a_model_that_gives_way_computes_the_same(graph: Graph, mcu: McuConfig, tmp_path: Path) -> None:
    budget = Budget.of(LimitsConfig(flash_bytes=ROOM_FOR_CODE + 4096), mcu)
    model = compile_graph(graph, mcu, EngineConfig(), "small", budget)
    images = random_images(graph, 3)
    np.testing.assert_array_equal(HostModel(model.write(tmp_path / "package")).run(images), execute(graph, images))
