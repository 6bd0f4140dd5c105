# SPDX-License-Identifier: Apache-2.0
"""What ``make bench-sparsity`` accepts and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from benchmarks.bench_sparsity import violations


def _network(flash: int, latency: float, accuracy: float) -> dict[str, Any]:
    return {"flash_bytes": flash, "latency_ms": latency, "accuracy_int8": accuracy}


def test_falling_figures_are_accepted() -> None:
    """Also where accuracy rises between two targets, and where it falls by no more than is allowed."""
    networks = [_network(54_000, 3.4, 0.986), _network(50_000, 3.0, 0.989), _network(45_000, 2.2, 0.9711)]
    assert violations(list(zip(("s50", "s70", "s80"), networks, strict=True))) == []


@pytest.mark.parametrize(
    ("sparser", "word"),
    [
        (_network(54_000, 3.0, 0.986), "flash_bytes"),
        (_network(50_000, 3.5, 0.986), "latency_ms"),
        (_network(50_000, 3.0, 0.970), "1.60 points"),
    ],
)
def test_each_fault_is_named(sparser: dict[str, Any], word: str) -> None:
    """One sentence for one fault; standing still is no fall."""
    (sentence,) = violations([("s80", _network(54_000, 3.4, 0.986)), ("s90", sparser)])
    assert word in sentence
    assert "s90" in sentence


def test_accuracy_is_compared_with_the_first() -> None:
    """Many small losses add up."""
    networks = [(f"s{i}", _network(100 - i, 10.0 - i, 0.99 - 0.01 * i)) for i in range(3)]
    assert len(violations(networks)) == 1
