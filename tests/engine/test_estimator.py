# SPDX-License-Identifier: Apache-2.0
"""Cost tables and estimates: exact where sizes follow from shapes, close where they are measured."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig
from tinyformer.config.limits import LimitsConfig
from tinyformer.config.network import NetworkConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.costs.estimator import Estimator
from tinyformer.engine.costs.features import features, measured_features
from tinyformer.engine.costs.samples import samples
from tinyformer.engine.costs.sparse_sizes import sparse_sizes
from tinyformer.engine.costs.synthetic import fill, synthetic_graph
from tinyformer.engine.costs.table import CostTable, fit_cycles
from tinyformer.engine.packing import implementations
from tinyformer.engine.schedule.constants import Source
from tinyformer.engine.schedule.selection import lower_graph
from tinyformer.errors import TinyFormerError
from tinyformer.ir import graph as ir
from tinyformer.mcu.target import load_mcu
from tinyformer.nets.plan_counts import total_blocks, zero_blocks
from tinyformer.nets.spec import LayerSparsity, weighted_layers
from tinyformer.supernas.given import given_supernet

MCU = load_mcu("stm32f746")
CONFIG = EngineConfig()
OPERATORS = ("Conv2D", "DepthwiseConv2D", "BatchMatMul", "Add", "Lut", "Softmax", "LayerNorm", "AveragePool2D")
TABLE = CostTable(
    mcu="stm32f746",
    cycles={f"{operator} any": {"call": 500.0, "products": 0.6, "outputs": 3.0} for operator in OPERATORS},
    parameter_bytes={f"{operator} any": 40 for operator in OPERATORS},
    code_bytes={"tf_add.c": 100},
    call_bytes=40.0,
    fixed_bytes=1500.0,
)
"""Invented costs; every kernel stands in for all of its operator."""
NETWORKS = list(samples(8, seed=77))


@pytest.mark.parametrize("number", range(len(NETWORKS)))
def test_sram_equals_the_compilers_to_the_byte(number):
    spec, plan = NETWORKS[number]
    estimate = Estimator(MCU, CONFIG, TABLE).estimate(spec, plan)
    memory = lower_graph(
        Source.of(synthetic_graph(spec, plan, seed=number)), MCU, CONFIG, Budget.of(LimitsConfig(), MCU)
    ).plan
    assert estimate.sram_bytes == memory.arena_bytes + CONFIG.stack_bytes


@pytest.mark.parametrize("number", [0, 1])
def test_sram_equals_the_compilers_where_scratch_must_shrink(number):
    spec, plan = NETWORKS[number]
    roomy = Estimator(MCU, CONFIG, TABLE).estimate(spec, plan)
    tight = Budget.of(LimitsConfig(sram_bytes=roomy.sram_bytes - 8000), MCU)
    estimate = Estimator(MCU, CONFIG, TABLE, tight).estimate(spec, plan)
    memory = lower_graph(Source.of(synthetic_graph(spec, plan, seed=number)), MCU, CONFIG, tight).plan
    assert estimate.sram_bytes == memory.arena_bytes + CONFIG.stack_bytes < roomy.sram_bytes


def test_wide_layers_stay_sparse_beside_large_tensors():
    """MobileNetV2's first stages fill the SRAM; its last ones hold the weights."""
    network = NetworkConfig(**yaml.safe_load(Path("conf/network/mobilenetv2.yaml").read_text()))
    spec = given_supernet(network, 32, 3, 10).largest()
    plan = {layer.name: LayerSparsity((2, 2), 0.8) for layer in weighted_layers(spec) if layer.prunable}
    kept = sum(layer.weights * (1 - (layer.name in plan) * 0.8) for layer in weighted_layers(spec))
    cost = Estimator(MCU, CONFIG, TABLE).estimate(spec, plan)
    assert cost.sram_bytes <= MCU.sram_bytes
    assert kept < cost.flash_bytes < 1.6 * kept


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("encoding", ["auto", "dense"])
def test_constants_are_within_a_hundredth_of_the_compiled_ones(number, encoding):
    spec, plan = NETWORKS[number]
    config = CONFIG.model_copy(update={"encoding": encoding})
    weightless = CostTable("stm32f746", TABLE.cycles, dict.fromkeys(TABLE.cycles, 0), {}, 0.0, 0.0)
    estimate = Estimator(MCU, config, weightless).estimate(spec, plan)
    compiled = compile_graph(synthetic_graph(spec, plan, seed=number), MCU, config)
    assert estimate.flash_bytes == pytest.approx(compiled.report["constants_bytes"], rel=0.01)


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from([8, 12, 24, 36, 64]),
    st.sampled_from([4, 8, 20, 32, 96]),
    st.sampled_from([(1, 1), (3, 3)]),
    st.sampled_from([(2, 2), (2, 4), (4, 2), (4, 4)]),
    st.sampled_from([0.3, 0.5, 0.8, 0.9, 0.97]),
    st.sampled_from([4000, 60000]),
)
def test_sparse_sizes_are_those_of_packing(outputs, inputs, kernel, block, ratio, limit):
    shape = (outputs, inputs, *kernel)
    sparsity = LayerSparsity(block, ratio)
    graph, op = _convolution(shape, sparsity)
    kept = total_blocks(shape, block) - zero_blocks(shape, sparsity)
    sizes = sparse_sizes(op, graph.tensors[op.output], block, kept, limit)
    choice = implementations(op, graph.tensors, limit)[0]
    if sizes is None or not choice.encoding.startswith("sparse"):
        return
    if choice.encoding != f"sparse {block[0]}x{block[1]}":
        return  # another shape happens to fit these few blocks as well
    assert choice.scratch_bytes == sizes.scratch_bytes
    assert choice.constant_bytes == pytest.approx(sizes.constant_bytes, rel=0.03, abs=12)
    expected = features(op, graph.tensors, sizes.stored_weights, sizes.passes, sizes.tiles.band_rows, kept)
    assert measured_features(op, graph.tensors, choice) == expected


def _convolution(shape: tuple[int, ...], sparsity: LayerSparsity) -> tuple[ir.Graph, ir.Conv2D]:
    """One filled convolution of weights ``shape`` on an 8 x 8 image."""
    outputs, inputs, height, width = shape
    pad = height // 2
    op = ir.Conv2D(
        "conv",
        ("x",),
        "y",
        np.zeros((outputs, height, width, inputs), np.int8),
        np.zeros(outputs, np.int32),
        stride=(1, 1),
        padding=(pad,) * 4,
        dilation=(1, 1),
        groups=1,
        pad_value=0,
        requantization=ir.Requantization(np.zeros(outputs, np.int32), 0, 0),
    )
    tensors = {"x": ir.Tensor("x", (1, 8, 8, inputs), 1.0, 0), "y": ir.Tensor("y", (1, 8, 8, outputs), 1.0, 0)}
    graph = ir.Graph("one", "x", ("y",), tensors, [op])
    return graph, fill(op, graph, sparsity, np.random.default_rng(0))


def test_sparser_is_smaller_and_faster():
    spec, _ = NETWORKS[1]
    estimator = Estimator(MCU, CONFIG, TABLE)
    costs = [
        estimator.estimate(
            spec, {layer.name: LayerSparsity((2, 2), ratio) for layer in weighted_layers(spec) if layer.prunable}
        )
        for ratio in (0.3, 0.5, 0.7, 0.9)
    ]
    for denser, sparser in pairwise(costs):
        assert sparser.flash_bytes < denser.flash_bytes
        assert sparser.cycles < denser.cycles
    assert costs[0].latency_ms == pytest.approx(costs[0].cycles / MCU.clock_hz * 1e3)


def test_known_shapes_are_estimated_within_five_milliseconds():
    estimator = Estimator(MCU, CONFIG, TABLE)
    for spec, plan in NETWORKS:
        estimator.estimate(spec, plan)
    times = []
    for _ in range(5):
        begin = time.process_time()
        for spec, plan in NETWORKS:
            estimator.estimate(spec, plan)
        times.append((time.process_time() - begin) / len(NETWORKS))
    assert min(times) < 5e-3


def test_fit_recovers_a_linear_model_and_never_goes_negative():
    rng = np.random.default_rng(0)
    rows = [{"call": 1.0, "products": float(p), "outputs": float(o)} for p, o in rng.integers(100, 10**5, (20, 2))]
    truth = {"call": 400.0, "products": 0.5, "outputs": 3.0}
    fitted = fit_cycles([(row, sum(truth[name] * row[name] for name in row)) for row in rows])
    assert fitted == pytest.approx(truth, rel=1e-6)
    falling = fit_cycles([(row, 1000.0 + row["products"] - 0.001 * row["outputs"]) for row in rows])
    assert all(value > 0 for value in falling.values())


def test_table_survives_json_and_refuses_foreign_data():
    again = CostTable.from_dict(json.loads(json.dumps(TABLE.to_dict())))
    assert again == TABLE
    with pytest.raises(TinyFormerError, match="profile_mcu"):
        CostTable.from_dict({"mcu": "stm32f746"})


def test_unmeasured_kernel_counts_as_the_slowest_of_its_operator():
    table = CostTable(
        "chip",
        {"Add fast": {"outputs": 1.0}, "Add slow": {"outputs": 5.0}},
        {"Add fast": 1, "Add slow": 2},
        {},
        0.0,
        0.0,
    )
    assert table.layer_cycles("Add fast", {"outputs": 10}) == 10
    assert table.layer_cycles("Add new", {"outputs": 10}) == 50
    with pytest.raises(TinyFormerError, match="no kernel for Softmax"):
        table.layer_cycles("Softmax softmax", {"outputs": 10})


def test_what_exceeds_the_sram_is_costed_sparse_all_the_same():
    spec, plan = NETWORKS[0]
    roomy = Estimator(MCU, CONFIG, TABLE).estimate(spec, plan)
    tiny = Budget.of(LimitsConfig(sram_bytes=8192), MCU)
    hopeless = Estimator(MCU, CONFIG, TABLE, tiny).estimate(spec, plan)
    assert 8192 < hopeless.sram_bytes < roomy.sram_bytes
    assert (hopeless.flash_bytes, hopeless.cycles) == (roomy.flash_bytes, roomy.cycles)
