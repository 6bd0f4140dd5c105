# SPDX-License-Identifier: Apache-2.0
"""Kernel choice by measurement: the fastest wins, twice the same, and the answer stays the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks.engine_cases import linear

from tests.engine.test_exactness import random_images
from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig
from tinyformer.config.limits import LimitsConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.packing import implementations
from tinyformer.engine.run.host import HostModel
from tinyformer.engine.run.profile import profile_package
from tinyformer.engine.schedule.constants import Source
from tinyformer.engine.schedule.scratch import scratch_limit
from tinyformer.engine.tune.kernels import IMAGES, MeasuredChoice, measure_candidates
from tinyformer.engine.tune.levels import LEVELS
from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Graph
from tinyformer.ir.reference import execute
from tinyformer.nets.spec import LayerSparsity

MEASURED = EngineConfig(selection="measured")


@pytest.fixture(scope="module")
def layer() -> Graph:
    return linear(16, 24, 16, LayerSparsity((2, 2), 0.5))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of measurements; what is compiled stays in the usual one."""
    monkeypatch.setattr("tinyformer.engine.tune.kernels.cache_directory", lambda: tmp_path)
    return tmp_path / "measured"


def test_the_fastest_candidate_is_chosen_and_remembered(layer: Graph, mcu: McuConfig, cache: Path) -> None:
    op = layer.ops[0]
    candidates = implementations(op, layer.tensors, scratch_limit(mcu, MEASURED))
    assert len(candidates) > 1
    cycles = measure_candidates(op, layer.tensors, candidates, mcu, MEASURED)
    assert all(count > 0 for count in cycles)
    chosen = MeasuredChoice(mcu, MEASURED, Budget.of(LimitsConfig(), mcu))(op, Source.of(layer), candidates)
    assert cycles[candidates.index(chosen)] == min(cycles)
    (entry,) = cache.glob("*.json")
    before = entry.stat().st_mtime_ns
    assert measure_candidates(op, layer.tensors, candidates, mcu, MEASURED) == cycles
    entry.unlink()
    assert measure_candidates(op, layer.tensors, candidates, mcu, MEASURED) == cycles  # measured afresh: the same
    assert entry.stat().st_mtime_ns != before


def test_measured_models_compute_the_same(layer: Graph, mcu: McuConfig, cache: Path, tmp_path: Path) -> None:
    model = compile_graph(layer, mcu, MEASURED, "measured")
    assert compile_graph(layer, mcu, MEASURED, "measured").files() == model.files()
    images = random_images(layer, 3)
    host = HostModel(model.write(tmp_path / "package"), sanitize="undefined")
    np.testing.assert_array_equal(host.run(images), execute(layer, images))
    assert len(list(cache.glob("*.json"))) == 1


def test_the_fastest_optimization_level_is_chosen_and_remembered(
    layer: Graph, mcu: McuConfig, cache: Path, tmp_path: Path
) -> None:
    config = EngineConfig(optimize="measured")
    model = compile_graph(layer, mcu, config, "levels")
    costs = [json.loads(path.read_text("utf-8")) for path in cache.glob("*.json")]
    assert len(costs) == len(LEVELS)
    assert model.report["optimize"] in LEVELS
    measured = profile_package(model.write(tmp_path / "levels"), mcu, IMAGES)
    assert measured.cycles == pytest.approx(min(cost["cycles"] for cost in costs), abs=0.1)
    assert compile_graph(layer, mcu, config, "levels").files() == model.files()


def test_levels_whose_code_exceeds_the_flash_are_left_out(
    layer: Graph, mcu: McuConfig, cache: Path, tmp_path: Path
) -> None:
    config = EngineConfig(optimize="measured")
    compile_graph(layer, mcu, config, "levels")
    sizes = [json.loads(path.read_text("utf-8"))["flash_bytes"] for path in cache.glob("*.json")]
    tight = Budget.of(LimitsConfig(flash_bytes=min(sizes)), mcu)
    measured = profile_package(compile_graph(layer, mcu, config, "levels", tight).write(tmp_path / "levels"), mcu)
    assert measured.flash_bytes == min(sizes) < max(sizes)
    with pytest.raises(TinyFormerError, match=f"{min(sizes) - 1:,} bytes of flash"):
        compile_graph(layer, mcu, config, "levels", Budget.of(LimitsConfig(flash_bytes=min(sizes) - 1), mcu))
