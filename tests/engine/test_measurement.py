"""Kernel choice by measurement: the fastest wins, twice the same, and the answer stays the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.engine_cases import linear

from tests.engine.test_exactness import random_images
from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.host import HostModel
from tinyformer.engine.measurement import MeasuredChoice, measure_candidates
from tinyformer.engine.packing import implementations
from tinyformer.engine.selection import scratch_limit
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
    monkeypatch.setattr("tinyformer.engine.measurement.cache_directory", lambda: tmp_path)
    return tmp_path / "measured"


def test_the_fastest_candidate_is_chosen_and_remembered(layer: Graph, mcu: McuConfig, cache: Path) -> None:
    op = layer.ops[0]
    candidates = implementations(op, layer.tensors, scratch_limit(mcu, MEASURED))
    assert len(candidates) > 1
    cycles = measure_candidates(op, layer.tensors, candidates, mcu, MEASURED)
    assert all(count > 0 for count in cycles)
    chosen = MeasuredChoice(layer, mcu, MEASURED)(op, candidates)
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
