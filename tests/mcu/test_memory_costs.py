# SPDX-License-Identifier: Apache-2.0
"""Missed cache lines cost in the Cortex-M7 model what they cost on boards, in layers of both kinds."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.memory_costs import KINDS, MissCost, measure

from tinyformer.config.mcu import McuConfig


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.layer}, {kind.memory}")
def test_a_missed_line_costs_what_boards_say(kind: MissCost, f746: McuConfig, tmp_path: Path) -> None:
    measured = measure(kind, tmp_path, f746)
    assert measured.misses > 1000
    assert abs(measured.error) < 0.1
