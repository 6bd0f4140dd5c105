# SPDX-License-Identifier: Apache-2.0
"""A small convolution and transformer network, compiled once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import CompiledModel, compile_graph
from tinyformer.engine.costs.synthetic import synthetic_graph
from tinyformer.ir.graph import Graph
from tinyformer.mcu.target import load_mcu
from tinyformer.nets.spec import (
    InvertedResidual,
    LayerSparsity,
    StageSpec,
    SubnetSpec,
    TransformerBlock,
    weighted_layers,
)


@pytest.fixture(scope="session")
def mcu() -> McuConfig:
    return load_mcu("stm32f746")


@pytest.fixture(scope="session")
def graph() -> Graph:
    stages = (
        StageSpec(16, 2, (InvertedResidual(3, 4), InvertedResidual(3, 2))),
        StageSpec(32, 2, (InvertedResidual(3, 4), TransformerBlock(1, 2, 16, 2.0, 2))),
    )
    spec = SubnetSpec(16, 1, 10, "relu6", 8, 3, 1, stages, 64)
    sparsity = {layer.name: LayerSparsity((2, 2), 0.7) for layer in weighted_layers(spec) if layer.prunable}
    return synthetic_graph(spec, sparsity, seed=1)


@pytest.fixture(scope="session")
def model(graph: Graph, mcu: McuConfig) -> CompiledModel:
    return compile_graph(graph, mcu, EngineConfig(), "digits")


@pytest.fixture(scope="session")
def package(model: CompiledModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model.write(tmp_path_factory.mktemp("package") / "digits")
