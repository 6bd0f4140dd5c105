"""Where the fastest kernels' constants exceed the flash, as few operators as possible take smaller ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.engine.test_exactness import random_images
from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.flash_fit import lower_within_flash
from tinyformer.engine.host import HostModel
from tinyformer.engine.layer_report import constants_bytes
from tinyformer.engine.packing import Implementation
from tinyformer.engine.selection import Step
from tinyformer.ir.graph import Graph, Op
from tinyformer.ir.reference import execute

ROOM_FOR_CODE = 32 * 1024


def largest(op: Op, candidates: Sequence[Implementation]) -> Implementation:
    """A rule that cares for flash even less than the fastest kernels do."""
    return max(candidates, key=lambda item: item.constant_bytes)


def lower(graph: Graph, mcu: McuConfig, flash_bytes: int | None) -> list[Step]:
    return lower_within_flash(graph, mcu, EngineConfig(flash_bytes=flash_bytes), largest)[0]


def constants_by_operator(steps: Sequence[Step]) -> dict[str, int]:
    return {step.op.name: step.implementation.constant_bytes for step in steps}


def test_operators_that_save_most_give_way_first_and_no_more_than_needed(graph: Graph, mcu: McuConfig) -> None:
    roomy, least = lower(graph, mcu, None), lower(graph, mcu, 1)
    most, fewest = constants_bytes(graph, roomy), constants_bytes(graph, least)
    assert fewest < 0.7 * most, "the network must have sparse layers"
    middle = (most + fewest) // 2
    fitted = lower(graph, mcu, middle + ROOM_FOR_CODE)
    assert constants_bytes(graph, fitted) <= middle
    large, small = constants_by_operator(roomy), constants_by_operator(least)
    changed = {name for name, size in constants_by_operator(fitted).items() if size != large[name]}
    saved = {name: large[name] - small[name] for name in large}
    kept = [saved[name] for name in saved if name not in changed]
    assert min(saved[name] for name in changed) >= max(kept)
    assert middle < most - sum(saved[name] for name in changed) + min(saved[name] for name in changed)


def test_a_model_that_gives_way_computes_the_same(graph: Graph, mcu: McuConfig, tmp_path: Path) -> None:
    model = compile_graph(graph, mcu, EngineConfig(flash_bytes=ROOM_FOR_CODE + 4096), "small")
    images = random_images(graph, 3)
    np.testing.assert_array_equal(HostModel(model.write(tmp_path / "package")).run(images), execute(graph, images))
