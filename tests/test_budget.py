# SPDX-License-Identifier: Apache-2.0
"""Limits: where they come from, how far a network breaks them, and what is said where none keeps them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tinyformer.budget import Achievable, Budget
from tinyformer.config.limits import LimitsConfig
from tinyformer.engine.costs.estimator import Cost
from tinyformer.errors import TinyFormerError
from tinyformer.mcu.target import load_mcu

MCU = load_mcu("stm32f746")


def test_budget_defaults_to_the_microcontroller():
    budget = Budget.of(LimitsConfig(), MCU)
    assert budget.limits == {"flash_bytes": MCU.flash_bytes, "sram_bytes": MCU.sram_bytes}
    assert budget.violation(Cost(MCU.flash_bytes, MCU.sram_bytes, 1, 1e9)) == 0
    assert budget.violation(Cost(2 * MCU.flash_bytes, MCU.sram_bytes, 1, 1.0)) == pytest.approx(1.0)


def test_limit_beyond_the_microcontroller_is_refused():
    with pytest.raises(TinyFormerError, match=r"limits\.sram_bytes is 1000000, but stm32f746 has 327680"):
        Budget.of(LimitsConfig(sram_bytes=1_000_000), MCU)


def test_violations_shrink_with_the_excess():
    budget = Budget.of(LimitsConfig(latency_ms=10.0), MCU)
    values = [budget.violation(Cost(1, 1, 1, latency)) for latency in np.linspace(30, 5, 6)]
    assert all(high >= low for high, low in pairwise(values))
    assert values[-1] == 0


def test_error_names_each_impossible_limit_or_the_clash():
    seen = Achievable(Budget.of(LimitsConfig(sram_bytes=1000, latency_ms=5.0), MCU))
    seen.see(Cost(10, 1500, 1, 3.0))
    seen.see(Cost(10, 3000, 1, 2.0))
    message = str(seen.error("a larger mcu"))
    assert "limits.sram_bytes is 1000, the smallest achievable found is 1500" in message
    assert message.endswith("Raise the limit, or choose a larger mcu.")
    assert "latency" not in message
    seen.see(Cost(10, 900, 1, 8.0))
    assert "at once" in str(seen.error("a larger mcu"))
