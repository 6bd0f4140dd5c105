"""Terminal tables, the comparison, and the number formats."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plotly.offline import get_plotlyjs
from rich.console import Console

from tinyformer.config.mcu import McuConfig
from tinyformer.report import formatting
from tinyformer.report.compare import print_comparison, write_comparison
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


@pytest.fixture
def experiments(summary: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Two finished experiments and one without a deployment."""
    sparse = {**summary, "accuracy_int8": 0.98, "latency_ms": 2.1, "flash_bytes": 40_000}
    started = {key: summary[key] for key in ("experiment", "dataset", "mcu", "seed", "accuracy_float")}
    return {"s50": summary, "s80 <b>": sparse, "started": {**started, "seed": 2}}


def test_print_comparison(experiments: dict[str, dict[str, Any]]) -> None:
    text = _printed(lambda console: print_comparison(experiments, console))
    assert _line(text, "Latency") == ["Latency", "3.42 ms", "2.10 ms", "–"]
    assert _line(text, "seed") == ["seed", "1", "1", "2"]
    assert "dataset" not in text, "what does not differ is not shown"


def test_write_comparison(experiments: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    write_comparison(experiments, tmp_path / "compare.html")
    write_comparison(experiments, tmp_path / "again.html")
    page = (tmp_path / "compare.html").read_text()
    assert page == (tmp_path / "again.html").read_text()
    page = page.replace(get_plotlyjs(), "")
    assert "s80 &lt;b&gt;" in page
    best = re.findall(r'<td class="number best"[^>]*>([^<]*)<', page)
    assert best == ["98.61 %", "39.1 KB", "2.10 ms"]
    assert page.count("<tr>") == 4


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
