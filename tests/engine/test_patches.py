# SPDX-License-Identifier: Apache-2.0
"""Patches: the same answer from less memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.test_exactness import random_images, slow_examples
from tests.strategies import graphs
from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig
from tinyformer.config.limits import LimitsConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.costs.synthetic import synthetic_graph
from tinyformer.engine.run.host import HostModel
from tinyformer.engine.schedule.constants import Source
from tinyformer.engine.schedule.patches import Segment, arena_without_scratch, fit_by_patches, in_patches, origin
from tinyformer.engine.schedule.row_ranges import Rows, input_rows
from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import BatchMatMul, Conv2D, Graph, Linear, Lut, Softmax
from tinyformer.ir.reference import execute, execute_all
from tinyformer.nets.spec import InvertedResidual, StageSpec, SubnetSpec, TransformerBlock


@pytest.fixture(scope="module")
def wide() -> Graph:
    """Large feature maps first, then attention over 64 tokens with a wide MLP."""
    stages = (
        StageSpec(8, 2, (InvertedResidual(3, 6), InvertedResidual(5, 6))),
        StageSpec(16, 2, (InvertedResidual(3, 4), TransformerBlock(1, 4, 8, 4.0, 1))),
    )
    return synthetic_graph(SubnetSpec(32, 3, 10, "relu6", 16, 3, 1, stages, 32), {}, seed=2)


@given(graphs(operators=6), st.data())
@settings(slow_examples, max_examples=60)
def test_any_segment_in_patches_computes_the_same(graph: Graph, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(graph.ops) - 1))
    last = data.draw(st.integers(first, len(graph.ops) - 1))
    patched = in_patches(graph, Segment(first, last, data.draw(st.integers(2, 5))))
    if patched is None:
        return
    images = random_images(graph, 2)
    expected, found = execute_all(graph, images), execute_all(patched, images)
    for name in graph.outputs:
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("fraction", [0.8, 0.6, 0.5])
def test_networks_run_in_less_memory(wide: Graph, mcu: McuConfig, tmp_path: Path, fraction: float) -> None:
    plain = compile_graph(wide, mcu, EngineConfig(), "wide")
    budget = int(arena_without_scratch(Source.of(wide)).arena_bytes * fraction) + EngineConfig().stack_bytes
    small = compile_graph(wide, mcu, EngineConfig(), "wide", Budget.of(LimitsConfig(sram_bytes=budget), mcu))
    assert (
        small.schedule.plan.arena_bytes + EngineConfig().stack_bytes
        <= budget
        < plain.schedule.plan.arena_bytes + EngineConfig().stack_bytes
    )
    assert small.report["macs"] > plain.report["macs"]  # rows that patches share are computed again
    assert small.report["constants_bytes"] < plain.report["constants_bytes"] * 1.2  # but stored once
    images = random_images(wide, 2)
    host = HostModel(small.write(tmp_path / "wide"), sanitize="undefined", optimize="-O1")
    np.testing.assert_array_equal(host.run(images), execute(wide, images))


def test_attention_is_cut_by_queries(wide: Graph) -> None:
    scores = next(i for i, op in enumerate(wide.ops) if isinstance(op, Softmax))
    kinds = [type(op) for op in wide.ops[scores - 1 : scores + 2]]
    assert kinds == [BatchMatMul, Softmax, BatchMatMul]
    patched = in_patches(wide, Segment(scores - 1, scores + 1, 4))
    assert patched is not None
    assert sum(isinstance(op, Softmax) for op in patched.ops) == 4
    image = random_images(wide, 2)
    np.testing.assert_array_equal(execute(patched, image), execute(wide, image))


def test_the_hidden_layer_of_an_mlp_is_cut_by_tokens(wide: Graph) -> None:
    hidden = max(i for i, op in enumerate(wide.ops) if isinstance(op, Lut))
    assert isinstance(wide.ops[hidden - 1], Linear) and isinstance(wide.ops[hidden + 1], Linear)
    patched = in_patches(wide, Segment(hidden - 1, hidden + 1, 8))
    assert patched is not None
    image = random_images(wide, 2)
    np.testing.assert_array_equal(execute(patched, image), execute(wide, image))


def test_impossible_budgets_name_the_smallest_arena_found(wide: Graph, mcu: McuConfig) -> None:
    budget = Budget.of(LimitsConfig(sram_bytes=9000), mcu)
    with pytest.raises(TinyFormerError, match=r"needs [\d,]+ bytes of SRAM .* even in patches"):
        compile_graph(wide, mcu, EngineConfig(), budget=budget)
    with pytest.raises(TinyFormerError, match=r"needs [\d,]+ bytes of SRAM") as plain:
        compile_graph(wide, mcu, EngineConfig(patching=False), budget=budget)
    assert "patches" not in str(plain.value)


def test_rows_under_a_window(wide: Graph) -> None:
    conv = next(op for op in wide.ops if isinstance(op, Conv2D) and op.weights.shape[1] == 3)
    height = wide.tensors[conv.inputs[0]].shape[1]
    assert input_rows(conv, Rows(0, 1), wide.tensors) == [Rows(0, 2)]
    assert input_rows(conv, Rows(4, 6), wide.tensors) == [Rows(3, 7)]
    assert input_rows(conv, Rows(height - 1, height), wide.tensors) == [Rows(height - 2, height)]


def test_patches_keep_the_name_of_their_origin(wide: Graph) -> None:
    plan_before = [op.name for op in wide.ops]
    patched = fit_by_patches(Source.of(wide), 30_000).graph
    assert {origin(op.name.split(" rows of ")[0]) for op in patched.ops} == set(plan_before)
