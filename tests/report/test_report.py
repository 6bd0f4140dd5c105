# SPDX-License-Identifier: Apache-2.0
"""The HTML report: self-contained, deterministic, complete, and alive in a browser."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from tests.report.conftest import evaluation_of
from tinyformer.config.mcu import McuConfig
from tinyformer.report.figures import COSTS, accuracy_axis, arena_figure, constants, pareto_figure, training_figures
from tinyformer.report.headline import METRICS, headline
from tinyformer.report.html import write_report
from tinyformer.report.inputs import ReportInputs


def _page(inputs: ReportInputs, tmp_path: Path) -> str:
    """The page without plotly's own code."""
    write_report(inputs, tmp_path / "report" / "index.html")
    return (tmp_path / "report" / "index.html").read_text().replace(get_plotlyjs(), "")


class _References(HTMLParser):
    """Collects what a browser would fetch, the ids, and the table cells."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.fetched += [value for key in ("src", "href", "data", "poster") if (value := values.get(key))]
        self.ids += [value for key in ("id",) if (value := values.get(key))]


def _figures(page: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert match
    return json.loads(match[1])


def test_the_page_is_one_file_and_every_figure_has_its_place(inputs: ReportInputs, tmp_path: Path) -> None:
    page = _page(inputs, tmp_path)
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["index.html"]
    parser = _References()
    parser.feed(page)
    outside = [name for name in parser.fetched if not name.startswith(("#", "data:"))]
    assert outside and all(name.startswith("../") for name in outside), "links to its neighbours, nothing from afar"
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    figures = _figures(page)
    assert set(figures) == {*(f"pareto-{cost}" for cost in COSTS), "arena", *(f"training-{i}" for i in range(3, 9))}
    assert len(parser.ids) == len(set(parser.ids))
    assert set(figures) < set(parser.ids)


def test_equal_inputs_give_equal_bytes(inputs: ReportInputs, tmp_path: Path) -> None:
    write_report(inputs, tmp_path / "a.html")
    write_report(inputs, tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_every_figure_of_the_summary_is_shown_with_its_origin(inputs: ReportInputs, tmp_path: Path) -> None:
    text = html.unescape(re.sub(r"<[^>]+>", " ", _page(inputs, tmp_path)))
    for shown in ("98.61 %", "61,240 B (59.8 KB)", "5.8 %", "3.42 ms", "738,072", "41,226", "52.13 %", "quickstart"):
        assert shown in text
    assert "simulated (STM32F746 model, calibrated)" in text
    assert "Fits the STM32F746" in text
    for layer in inputs.layers:
        assert layer["name"] in text
    assert "data.augment" not in text
    assert "augment.crop_padding" in text


def test_what_does_not_fit_is_said(inputs: ReportInputs, tmp_path: Path) -> None:
    page = _page(replace(inputs, summary={**inputs.summary, "sram_bytes": 400_000}), tmp_path)
    assert "Over budget: SRAM" in page
    assert "Fits the" not in page


def test_answers_are_shown_with_their_intervals_and_class_names(inputs: ReportInputs, tmp_path: Path) -> None:
    page = _page(inputs, tmp_path)
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
    assert "recognizes 352 of 359 test images" in text
    assert "of 359 test images; 95 % confidence: 96.0 to 99.1 %" in text, "the card"
    assert "zero 36 35 97.2 % 85.8 to 99.5 %" in text
    assert "Misclassified images" in text and "zero taken for one" in text
    assert page.count("<img ") == 10 + 7
    cells = re.findall(r'<td class="number (right|wrong)"[^>]*>(\d+)<', page)
    assert sum(int(count) for kind, count in cells if kind == "right") == 352
    assert sum(int(count) for kind, count in cells if kind == "wrong") == 7
    assert "near chance" not in text


def test_of_many_classes_the_worst_are_shown(inputs: ReportInputs, tmp_path: Path) -> None:
    many = evaluation_of(np.random.default_rng(0), classes=40, images=400, wrong=60)
    page = _page(replace(inputs, evaluation=many), tmp_path)
    assert "The 25 of 40 classes that are recognized worst" in page and "Confusion matrix" not in page
    assert "Most frequent confusions" in page and "The first 24 of 60 misclassified images" in page
    assert page.count('class="interval"') == 25


def test_accuracy_near_chance_is_said(inputs: ReportInputs, tmp_path: Path) -> None:
    guesses = evaluation_of(np.random.default_rng(0), wrong=330)
    text = html.unescape(_page(replace(inputs, evaluation=guesses), tmp_path))
    assert "Accuracy near chance: always answering “zero” would be right for 10.0 % of the 359 test images" in text


def test_a_latency_without_limit_says_so(inputs: ReportInputs, tmp_path: Path) -> None:
    text = re.sub(r"<[^>]+>", " ", _page(replace(inputs, limits={"latency_ms": None}), tmp_path))
    assert re.search(r"3\.42 ms\s+no limit; simulated", text)


def test_sections_without_data_are_left_out(mcu: McuConfig, tmp_path: Path) -> None:
    page = _page(ReportInputs(summary={"experiment": "bare", "latency_ms": 1.0}, mcu=mcu), tmp_path)
    for heading in ("Right and wrong", "Where the figures", "Pareto", "Training", "Layers", "Arena", "Configuration"):
        assert f"<h2>{heading}" not in page
    assert _figures(page) == {}


def test_names_cannot_break_the_page(inputs: ReportInputs, tmp_path: Path) -> None:
    evil = '</script><script>alert("x")</script>'
    layers = [{**inputs.layers[0], "name": evil}]
    points = [{**inputs.pareto[0], "label": evil}]
    page = _page(
        replace(inputs, layers=layers, pareto=points, summary={**inputs.summary, "experiment": evil}), tmp_path
    )
    assert evil not in page
    assert page.count("<script") == 4
    assert evil in json.dumps(_figures(page), ensure_ascii=False).replace('\\"', '"')


# --- figures ------------------------------------------------------------------------------------------------------


def test_pareto_figure_tells_chosen_front_and_dominated_apart(inputs: ReportInputs) -> None:
    figure = pareto_figure(inputs.pareto, "latency_ms", 8.0)
    traces = {trace["name"]: trace for trace in figure["data"]}
    assert {name: len(trace["x"]) for name, trace in traces.items()} == {
        "evaluated": 75,
        "Pareto front": 14,
        "chosen": 1,
    }
    assert traces["chosen"]["x"] == [inputs.pareto[36]["latency_ms"]]


def test_budgets_are_drawn_within_the_axis(inputs: ReportInputs) -> None:
    for cost, limit, place in (("latency_ms", 8.0, 8.0), ("flash_bytes", 1 << 20, 1024.0)):
        figure = pareto_figure(inputs.pareto, cost, limit)
        assert [shape["x0"] for shape in figure["layout"]["shapes"]] == [place]
        axis = figure["layout"]["xaxis"]
        assert 10 ** axis["range"][0] < place < 10 ** axis["range"][1]
        assert len(set(axis["ticktext"])) == len(axis["tickvals"]) >= 3
    assert "shapes" not in pareto_figure(inputs.pareto, "latency_ms", None)["layout"]


def test_a_single_point_without_figures_of_size_is_drawn() -> None:
    point = {"accuracy": 0.5, "latency_ms": 1.0, "flash_bytes": 0, "sram_bytes": 0, "chosen": True}
    for cost in COSTS:
        figure = pareto_figure([point], cost, None)
        assert [trace["name"] for trace in figure["data"]] == ["chosen"]


@pytest.mark.parametrize("values", [[1.0], [0.99, 0.995, 1.0], [0.0, 1.0], [0.1, 0.1]])
def test_no_tick_of_an_accuracy_lies_above_one(values: list[float]) -> None:
    axis = accuracy_axis(values)
    low, high = axis["range"]
    assert low < min(values) and max(values) < high
    assert high < max(values) + (high - low) / axis["nticks"], "less than a tick's distance above the highest"


def test_what_does_not_change_is_a_number_not_a_curve(inputs: ReportInputs, tmp_path: Path) -> None:
    history = [{"epoch": i, "train_loss": 1.0 / (i + 1), "learning_rate": 0.01, "val_accuracy": 1.0} for i in range(9)]
    assert [heading for heading, _ in training_figures(history)] == ["loss"]
    assert constants(history) == {"learning_rate": 0.01, "val_accuracy": 1.0}
    text = re.sub(r"<[^>]+>", " ", _page(replace(inputs, training={"Tuning": history}), tmp_path))
    assert "Throughout: learning rate 0.01, val accuracy 1." in text


def test_training_figures_keep_every_metric_and_skip_missing_epochs() -> None:
    history = [
        {"epoch": 0, "train_loss": 1.0, "lr": 0.2, "val_accuracy": 0.6},
        {"epoch": 1, "train_loss": 0.5, "lr": 0.1},
        {"epoch": 2, "train_loss": 0.4, "lr": 0.1, "val_accuracy": 0.7},
    ]
    panels = dict(training_figures(history))
    assert list(panels) == ["loss", "accuracy", "lr"]
    [accuracy] = panels["accuracy"]["data"]
    assert (accuracy["x"], accuracy["y"], accuracy["mode"]) == ([0, 2], [0.6, 0.7], "lines")
    assert panels["loss"]["data"][0]["y"] == [1.0, 0.5, 0.4]


def test_arena_boxes_cover_exactly_their_steps_and_addresses() -> None:
    figure = arena_figure({
        "arena_bytes": 4096,
        "steps": ["a", "b", "c"],
        "buffers": [
            {"name": "x.y", "offset": 1024, "bytes": 2048, "first": 1, "last": 2},
            {"name": "input", "offset": 0, "bytes": 1024, "first": -1, "last": 0},
        ],
    })  # fmt: skip
    [boxes] = figure["data"]
    assert (boxes["base"], boxes["y"]) == ([0.0, 1.0], [1.0, 2.0])
    edges = [(x - width / 2, x + width / 2) for x, width in zip(boxes["x"], boxes["width"], strict=True)]
    assert edges == [(-1.5, 0.5), (0.5, 2.5)]
    assert figure["layout"]["xaxis"]["range"] == [-1.5, 2.5]
    assert boxes["customdata"][0][4:] == ["before the first", "0 a"]
    assert boxes["customdata"][1] == ["x.y", "2.0 KB", "1,024", "3,072", "1 b", "2 c"]


# --- headline -----------------------------------------------------------------------------------------------------


def test_headline_measures_against_the_mcu_or_the_tighter_limit(mcu: McuConfig, summary: Mapping[str, Any]) -> None:
    rows = {row.key: row for row in headline(summary, mcu)}
    assert set(rows) == {metric.key for metric in METRICS}
    assert rows["flash_bytes"].share == pytest.approx(61_240 / 1_048_576)
    assert rows["sram_bytes"].budget == "320.0 KB"
    assert rows["latency_ms"].share is None
    assert all(row.fits for row in rows.values())
    limited = {row.key: row for row in headline(summary, mcu, {"latency_ms": 3.0, "flash_bytes": 65_536})}
    assert not limited["latency_ms"].fits
    assert limited["flash_bytes"].fits
    assert limited["flash_bytes"].budget == "64.0 KB"
    unlimited = {row.key: row for row in headline(summary, mcu, {"latency_ms": None, "flash_bytes": None})}
    assert unlimited["latency_ms"].share is None
    assert unlimited["flash_bytes"].budget == "1.00 MB", "the MCU's own size stays a limit"


def test_origins_name_the_microcontroller_and_its_validation(mcu: McuConfig, summary: Mapping[str, Any]) -> None:
    rows = {row.key: row for row in headline(summary, mcu)}
    assert rows["cycles"].obtained == "simulated (STM32F746 model, calibrated)"
    assert rows["accuracy_float"].obtained == "host: float model in onnxruntime, test split"
