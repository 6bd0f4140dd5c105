# SPDX-License-Identifier: Apache-2.0
"""Where the fastest kernels' firmware exceeds the flash, bytes are bought for as few cycles as possible."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.test_exactness import random_images
from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig
from tinyformer.config.limits import LimitsConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.run.host import HostModel
from tinyformer.engine.run.profile import profile_package
from tinyformer.engine.schedule.scheduler import schedule_graph
from tinyformer.engine.tune.flash import fit_flash
from tinyformer.engine.tune.knapsack import cheapest_rungs
from tinyformer.engine.tune.variants import Variant
from tinyformer.ir.graph import Graph
from tinyformer.ir.reference import execute

CONFIG = EngineConfig()
OPERATORS = "abcd"


def limited(mcu: McuConfig, flash_bytes: int | None) -> Budget:
    return Budget.of(LimitsConfig(flash_bytes=flash_bytes), mcu)


def firmware(graph: Graph, mcu: McuConfig, flash_bytes: int | None, directory: Path) -> tuple[int, float]:
    """Flash and cycles of the graph, compiled for so much flash."""
    model = compile_graph(graph, mcu, CONFIG, "small", limited(mcu, flash_bytes))
    profile = profile_package(model.write(directory), mcu)
    return profile.flash_bytes, profile.cycles


VARIANTS = st.integers(2, 4).flatmap(
    lambda count: st.lists(
        st.builds(
            lambda sizes, cycles: Variant(0, dict(zip(OPERATORS, sizes, strict=True)),
                                          dict(zip(OPERATORS, map(float, cycles), strict=True)), {}),
            st.lists(st.integers(0, 300), min_size=4, max_size=4),
            st.lists(st.integers(0, 50), min_size=4, max_size=4),
        ),
        min_size=count, max_size=count,
    )
)  # fmt: skip


def price(variants: list[Variant], rungs: dict[str, int]) -> tuple[int, float]:
    """Bytes saved, cycles lost (what is faster and smaller is not counted as a gain)."""
    saved = sum(variants[0].constants[name] - variants[rung].constants[name] for name, rung in rungs.items())
    lost = sum(max(variants[rung].cycles[name] - variants[0].cycles[name], 0.0) for name, rung in rungs.items())
    return saved, lost


@given(VARIANTS, st.integers(1, 900))
def test_no_other_choice_saves_as_much_for_less(variants: list[Variant], missing: int) -> None:
    every = [dict(zip(OPERATORS, rungs, strict=True)) for rungs in itertools.product(range(len(variants)), repeat=4)]
    smaller = [
        rungs for rungs in every
        if all(variants[rung].constants[name] < variants[0].constants[name] for name, rung in rungs.items() if rung)
    ]  # fmt: skip
    costs = [lost for saved, lost in (price(variants, rungs) for rungs in smaller) if saved >= missing]
    found = cheapest_rungs(variants, missing)
    if found is None:
        assert not costs
    else:
        saved, lost = price(variants, found)
        assert saved >= missing
        assert lost == min(costs)


def test_what_fits_with_its_real_code_pays_nothing(graph: Graph, mcu: McuConfig, tmp_path: Path) -> None:
    flash_bytes, cycles = firmware(graph, mcu, None, tmp_path / "roomy")
    assert firmware(graph, mcu, flash_bytes, tmp_path / "exact") == (flash_bytes, cycles)
    assert fit_flash(graph, mcu, CONFIG, "-O2", limited(mcu, flash_bytes)).trades == ()


def test_small_code_comes_before_slow_kernels(graph: Graph, mcu: McuConfig, tmp_path: Path) -> None:
    flash_bytes, cycles = firmware(graph, mcu, None, tmp_path / "roomy")
    smaller, slower = firmware(graph, mcu, flash_bytes - 200, tmp_path / "tight")
    assert smaller <= flash_bytes - 200
    assert cycles <= slower < 1.1 * cycles


def test_what_does_not_fit_keeps_to_the_flash_and_says_what_it_costs(
    graph: Graph, mcu: McuConfig, tmp_path: Path
) -> None:
    flash_bytes, cycles = firmware(graph, mcu, None, tmp_path / "roomy")
    allowed = flash_bytes - 2700
    smaller, slower = firmware(graph, mcu, allowed, tmp_path / "tight")
    assert smaller <= allowed
    fitted = fit_flash(graph, mcu, CONFIG, "-O2", limited(mcu, allowed))
    lost = sum(trade.cycles_lost for trade in fitted.trades)
    assert fitted.optimize == "-Os"
    assert lost > 0
    tighter = fit_flash(graph, mcu, CONFIG, "-O2", limited(mcu, allowed - 800))
    assert lost < sum(trade.cycles_lost for trade in tighter.trades)
    assert slower - cycles == pytest.approx(lost, rel=0.1)


def test_the_objective_flash_stores_least(graph: Graph, mcu: McuConfig) -> None:
    smallest = fit_flash(graph, mcu, EngineConfig(objective="flash"), "-O2", limited(mcu, None)).schedule
    fastest = schedule_graph(graph, mcu, CONFIG, limited(mcu, None))
    sizes = [[step.implementation.constant_bytes for step in each.steps] for each in (smallest, fastest)]
    assert all(small <= fast for small, fast in zip(*sizes, strict=True))
    assert sum(sizes[0]) < sum(sizes[1])


def test_a_model_that_gives_way_computes_the_same(graph: Graph, mcu: McuConfig, tmp_path: Path) -> None:
    constants = sum(
        step.implementation.constant_bytes for step in schedule_graph(graph, mcu, CONFIG, limited(mcu, None)).steps
    )
    model = compile_graph(graph, mcu, CONFIG, "small", limited(mcu, constants + 8192))
    assert model.report["traded_for_flash"]
    images = random_images(graph, 3)
    np.testing.assert_array_equal(HostModel(model.write(tmp_path / "package")).run(images), execute(graph, images))
