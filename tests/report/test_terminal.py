# SPDX-License-Identifier: Apache-2.0
"""Terminal tables, and the number formats."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from tinyformer.config.mcu import McuConfig
from tinyformer.report import formatting
from tinyformer.report.summary import print_summary


def _printed(show: Callable[[Console], None]) -> str:
    stream = io.StringIO()
    show(Console(file=stream, width=120, force_terminal=False))
    return stream.getvalue()


def _line(text: str, label: str) -> list[str]:
    [line] = [line for line in text.splitlines() if label in line]
    return re.split(r"\s{2,}", line.strip())


def test_print_summary(mcu: McuConfig, summary: dict[str, Any]) -> None:
    text = _printed(lambda console: print_summary(summary, mcu, console=console))
    assert text.startswith("quickstart · digits · stm32f746")
    assert _line(text, "Flash")[:4] == ["Flash", "59.8 KB", "1.00 MB", "5.8 %"]
    assert _line(text, "Accuracy, INT8")[1] == "98.61 %"
    assert "Over budget" not in text
    text = _printed(lambda console: print_summary(summary, mcu, {"latency_ms": 2.0}, console))
    assert "Over budget: Latency" in text


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (formatting.size, 1023, "1023 B"),
        (formatting.size, 1024, "1.0 KB"),
        (formatting.size, 1_048_576, "1.00 MB"),
        (formatting.size, None, "–"),
        (formatting.exact_size, 500, "500 B"),
        (formatting.exact_size, 21_504, "21,504 B (21.0 KB)"),
        (formatting.compact, 812, "812"),
        (formatting.compact, 1_482_240, "1.48 M"),
        (formatting.compact, 999_900, "1000 k"),
        (formatting.compact, 36_864, "36.9 k"),
        (formatting.milliseconds, 0.1234, "0.123 ms"),
        (formatting.milliseconds, 62.9, "62.9 ms"),
        (formatting.milliseconds, 1234.5, "1,234 ms"),
        (formatting.percent, 0.98611, "98.61 %"),
        (formatting.shape, (1, 16, 16, 24), "16 × 16 × 24"),
        (formatting.shape, (1,), "1"),
    ],
)
def test_formats(function: Callable[[Any], str], value: Any, text: str) -> None:
    assert function(value) == text
