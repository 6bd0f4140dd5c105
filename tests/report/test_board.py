# SPDX-License-Identifier: Apache-2.0
"""A board's figures stand in the report beside the simulated ones, if they are of the same model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tinyformer.errors import TinyFormerError
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import write_json
from tinyformer.pipeline.report import board_figures
from tinyformer.report.board import BoardFigures
from tinyformer.report.html import write_report
from tinyformer.report.inputs import ReportInputs

FIGURES: dict[str, Any] = {
    "board": "stm32f746g-disco",
    "mcu": "stm32f746",
    "model": "quickstart_stm32f746",
    "model_sha256": "ab" * 32,
    "firmware_sha256": "cd" * 32,
    "date": "2026-11-02T10:00:00+00:00",
    "images": 10,
    "exact_images": 10,
    "cycles": 740_001.5,
    "cycles_smallest": 739_990,
    "cycles_largest": 740_020,
    "latency_ms": 3.4261,
    "simulated_cycles": 738_072.0,
    "simulation_error": -0.0026,
}


def test_the_report_shows_both_and_how_far_they_are_apart(inputs: ReportInputs, tmp_path: Path) -> None:
    write_report(replace(inputs, board=BoardFigures(**FIGURES)), tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text("utf-8")
    assert "Latency, board" in page
    assert "740,002" in page
    assert "all outputs exact; the simulation is 0.26 % below" in page
    assert "3.43 ms on stm32f746g-disco" in page


@pytest.mark.parametrize("seen", [None, {**FIGURES, "model_sha256": "00" * 32}])
def test_no_board_or_another_model_shows_nothing(
    seen: dict[str, Any] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_json(artifacts.BOARD_SEEN, seen)
    assert board_figures(FIGURES["model_sha256"]) is None


def test_the_same_model_is_shown_and_a_wrong_file_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_json(artifacts.BOARD_SEEN, FIGURES)
    assert board_figures(FIGURES["model_sha256"]) == BoardFigures(**FIGURES)
    write_json(artifacts.BOARD_SEEN, {**FIGURES, "cycles": -1})
    with pytest.raises(TinyFormerError, match=r"measurement 'outputs/board.json' is wrong at 'cycles'"):
        board_figures(FIGURES["model_sha256"])
