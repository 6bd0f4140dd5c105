# SPDX-License-Identifier: Apache-2.0
"""Figures as SVG: what is drawn lies where plotly's JSON says, in the page's colours, the same each time."""

from __future__ import annotations

import re
from collections import defaultdict
from xml.etree import ElementTree

import pytest

from tests.report.test_compare import experiment
from tinyformer.report.comparison_figures import front_figure, parallel_figure
from tinyformer.report.figures import COSTS, FigureJson, arena_figure, legend, pareto_figure, training_figures
from tinyformer.report.inputs import ReportInputs
from tinyformer.report.static import draw

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def figures(inputs: ReportInputs) -> dict[str, FigureJson]:
    """One of each kind."""
    assert inputs.arena is not None
    experiments = [
        experiment(f"e{i}", {**inputs.summary, "latency_ms": 1.0 + i, "accuracy_int8": 0.995 + i / 1000}, target=i / 10)
        for i in range(4)
    ]
    return {
        **{f"pareto-{cost}": pareto_figure(inputs.pareto, cost, 3e6) for cost in COSTS},
        **{f"training-{heading}": figure for heading, figure in training_figures(inputs.training["Supernet"])},
        "arena": arena_figure(inputs.arena),
        "front": front_figure(experiments, "latency_ms"),
        "parallel": parallel_figure(experiments, ["sparsity.target", "mcu.name"]),
    }


def test_equal_figures_are_equal_text_and_no_identifier_stands_twice(figures: dict[str, FigureJson]) -> None:
    drawings = [draw(figure, name) for name, figure in figures.items()]
    assert drawings == [draw(figure, name) for name, figure in figures.items()]
    page = "".join(drawings)
    identifiers = re.findall(r'id="([^"]+)"', page)
    assert identifiers and len(set(identifiers)) == len(identifiers)
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', page)) == set(identifiers)
    assert "<style" not in page and "#01020" not in page and "font-family" not in page
    assert "var(--muted)" in page and "var(--grid)" in page


def test_points_lie_where_their_values_say(inputs: ReportInputs) -> None:
    figure = training_figures([{"epoch": 0, "loss": 1.0}, {"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.0}])[0][1]
    root = ElementTree.fromstring(draw(figure, "loss"))
    [line] = [path for path in root.iter(f"{SVG}path") if "#4c7fe0" in path.get("style", "")]
    points = [tuple(map(float, pair)) for pair in re.findall(r"[ML] ([\d.]+) ([\d.]+)", line.get("d", ""))]
    (x0, y0), (x1, y1), (x2, y2) = points
    assert x2 - x1 == pytest.approx(x1 - x0, abs=0.1)
    assert y0 - y1 == pytest.approx(2 * (y2 - y1), abs=0.1), "up is more"


def test_ticks_of_an_axis_are_all_different(figures: dict[str, FigureJson]) -> None:
    for name in figures.keys() - {"parallel"}:
        rows: dict[tuple[str, str], list[str]] = defaultdict(list)
        for text in ElementTree.fromstring(draw(figures[name], name)).iter(f"{SVG}text"):
            if "middle" in text.get("style", "") or "end" in text.get("style", ""):
                side = "y" if "middle" in text.get("style", "") else "x"
                rows[side, text.get(side, "")].append(text.text or "")
        axes = [texts for texts in rows.values() if len(texts) > 1]
        assert len(axes) == 2, name
        assert all(len(set(texts)) == len(texts) for texts in axes), axes


def test_legends_name_what_is_to_be_told_apart(figures: dict[str, FigureJson]) -> None:
    assert legend(figures["pareto-latency_ms"]) == [
        ("evaluated", "#7c8698"), ("Pareto front", "#4c7fe0"), ("chosen", "#e0803a"),
    ]  # fmt: skip
    assert legend(figures["training-accuracy"]) == []
