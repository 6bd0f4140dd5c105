# SPDX-License-Identifier: Apache-2.0
"""Cost tables measured in the simulator predict networks that they were not measured on."""

from __future__ import annotations

import pytest

from tinyformer.config.engine import EngineConfig
from tinyformer.engine.costs.estimator import Estimator
from tinyformer.engine.costs.profiling import NAME, profile_graph, profile_kernels
from tinyformer.engine.costs.samples import samples
from tinyformer.engine.costs.synthetic import synthetic_graph
from tinyformer.mcu.target import load_mcu

MCU = load_mcu("stm32f746")
CONFIG = EngineConfig()


@pytest.mark.slow
def test_a_table_predicts_other_networks():
    progress: list[tuple[int, int]] = []
    table = profile_kernels(MCU, CONFIG, networks=6, on_progress=lambda done, total: progress.append((done, total)))
    assert progress == [(i, 6) for i in range(1, 7)]
    assert profile_kernels(MCU, CONFIG, networks=6, workers=1) == table
    for i, (spec, plan) in enumerate(samples(2, seed=4711)):
        estimate = Estimator(MCU, CONFIG, table).estimate(spec, plan)
        measured = profile_graph(synthetic_graph(spec, plan, seed=i, name=NAME), MCU, CONFIG)
        assert estimate.sram_bytes == measured.sram_bytes
        assert estimate.flash_bytes == pytest.approx(measured.flash_bytes, rel=0.02)
        assert estimate.cycles == pytest.approx(measured.cycles, rel=0.12)
