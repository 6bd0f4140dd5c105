# SPDX-License-Identifier: Apache-2.0
"""What a model is compiled for: speed, a small arena, or small constants; never another answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.engine.test_exactness import random_images
from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig, Objective
from tinyformer.config.limits import LimitsConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.run.host import HostModel
from tinyformer.engine.schedule.layer_report import constants_bytes
from tinyformer.engine.schedule.objective import SHARES
from tinyformer.engine.schedule.scheduler import schedule_graph
from tinyformer.engine.schedule.steps import Schedule
from tinyformer.ir.graph import Graph
from tinyformer.ir.reference import execute


def schedule_for(objective: Objective, graph: Graph, mcu: McuConfig) -> Schedule:
    return schedule_graph(graph, mcu, EngineConfig(objective=objective), Budget.of(LimitsConfig(), mcu))


def test_arenas_shrink_from_latency_over_balanced_to_sram(graph: Graph, mcu: McuConfig) -> None:
    arenas = [schedule_for(objective, graph, mcu).plan.arena_bytes for objective in ("latency", "balanced", "sram")]
    assert arenas[0] > arenas[1] > arenas[2]


@pytest.mark.parametrize("objective", ["balanced", "sram"])
def test_kernels_stay_and_keep_their_share_of_the_scratch(objective: Objective, graph: Graph, mcu: McuConfig) -> None:
    fastest, small = schedule_for("latency", graph, mcu), schedule_for(objective, graph, mcu)
    for before, after in zip(fastest.steps, small.steps, strict=True):
        assert (after.implementation.kernel, after.implementation.encoding) == (
            before.implementation.kernel,
            before.implementation.encoding,
        )
        assert after.implementation.scratch_bytes <= before.implementation.scratch_bytes
    changed = [
        after.implementation.scratch_bytes / before.implementation.scratch_bytes
        for before, after in zip(fastest.steps, small.steps, strict=True)
        if after.implementation.scratch_bytes < before.implementation.scratch_bytes
    ]
    assert changed
    assert min(changed) > SHARES[objective] / 2


def test_flash_takes_the_smallest_encodings(graph: Graph, mcu: McuConfig) -> None:
    fastest, small = schedule_for("latency", graph, mcu), schedule_for("flash", graph, mcu)
    tight = Budget.of(LimitsConfig(flash_bytes=1), mcu)
    least = schedule_graph(graph, mcu, EngineConfig(), tight)
    assert constants_bytes(small) == constants_bytes(least) <= constants_bytes(fastest)


@pytest.mark.parametrize("objective", ["balanced", "sram", "flash"])
def test_every_objective_computes_the_same(objective: Objective, graph: Graph, mcu: McuConfig, tmp_path: Path) -> None:
    small = compile_graph(graph, mcu, EngineConfig(objective=objective), "small")
    assert small.report["settings"]["objective"] == objective
    images = random_images(graph, 3)
    np.testing.assert_array_equal(HostModel(small.write(tmp_path / "package")).run(images), execute(graph, images))
