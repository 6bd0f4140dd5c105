# SPDX-License-Identifier: Apache-2.0
"""The comparison of experiments: what differs, seeds together, and the page at 200 points."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from plotly.offline import get_plotlyjs
from rich.console import Console

from tinyformer.report.compare import print_comparison, write_comparison, write_csv
from tinyformer.report.experiment import Experiment, differing_keys, flatten, front, leading_keys, repeated

LIMITS = {"flash_bytes": 1_048_576, "sram_bytes": 327_680}


def experiment(
    name: str, summary: dict[str, Any], mcu: str = "stm32f746", target: float = 0.5, seed: int = 0
) -> Experiment:
    settings = {
        "experiment": "quickstart", "seed": seed, "sparsity": {"target": target, "ratios": [0.0, target]},
        "mcu": {"name": mcu, "clock_hz": len(mcu), "memories": [mcu]}, "tracking": {"mode": name},
    }  # fmt: skip
    layers = [
        {
            "name": f"block{i}.conv",
            "op": "Conv2D",
            "flash_bytes": 100 * i,
            "cycles": 1e4 * target + i,
            "sparsity": target,
        }
        for i in range(40)
    ]
    return Experiment(name, summary, dict(flatten(settings)), LIMITS, layers, f"{name}/outputs/report/index.html")


@pytest.fixture
def experiments(summary: dict[str, Any]) -> list[Experiment]:
    """Two seeds, another microcontroller, one over its limit, and one that has only begun."""
    started = {key: summary[key] for key in ("experiment", "dataset", "mcu", "seed", "accuracy_float")}
    return [
        experiment("a", summary),
        experiment("b", {**summary, "accuracy_int8": 0.9761}, seed=1),
        experiment("c <b>", {**summary, "latency_ms": 2.1, "flash_bytes": 2_000_000, "mcu": "h743"}, "h743", 0.9),
        experiment("d", started, target=0.7),
    ]


def text_of(page: Path) -> str:
    return page.read_text("utf-8").replace(get_plotlyjs(), "")


def test_what_differs_is_named_and_what_changes_no_result_is_not(experiments: list[Experiment]) -> None:
    differing = differing_keys(experiments)
    assert differing == ["seed", "sparsity.target", "sparsity.ratios", "mcu.name", "mcu.clock_hz", "mcu.memories"]
    assert leading_keys(differing, experiments) == ["seed", "sparsity.target", "mcu.name"]
    assert differing_keys(experiments[:1]) == []


def test_seeds_are_put_together(experiments: list[Experiment]) -> None:
    differing = differing_keys(experiments)
    [group] = repeated(experiments, differing, leading_keys(differing, experiments))
    assert [e.name for e in group.experiments] == ["a", "b"]
    mean, spread = group.mean_and_spread("accuracy_int8") or (0, 0)
    assert mean == pytest.approx(0.9811) and spread == pytest.approx(0.01 / 2**0.5)
    assert group.mean_and_spread("nothing") is None


def test_the_front_is_what_no_other_beats(experiments: list[Experiment]) -> None:
    assert [e.name for e in front(experiments, "latency_ms", "accuracy_int8")] == ["c <b>"]
    assert [e.name for e in front(experiments, "flash_bytes", "accuracy_int8")] == ["a"]


def test_the_terminal_shows_what_is_left_of_budgets(experiments: list[Experiment]) -> None:
    stream = io.StringIO()
    print_comparison(experiments, Console(file=stream, width=160))
    text = stream.getvalue()
    assert "59.8 KB (94 % left)" in text and "(over by 91 %)" in text
    assert "3 more keys differ" in text
    assert "2 seeds of sparsity.target=0.5, mcu.name=stm32f746: Accuracy, INT8 98.11 % ± 0.71 %" in text


def test_csv_has_every_key_and_figure(experiments: list[Experiment], tmp_path: Path) -> None:
    write_csv(experiments, tmp_path / "all.csv")
    rows = list(csv.DictReader((tmp_path / "all.csv").open(encoding="utf-8")))
    assert [row["name"] for row in rows] == ["a", "b", "c <b>", "d"]
    assert set(differing_keys(experiments)) | {"accuracy_int8", "limit_flash_bytes"} <= set(rows[0])
    assert float(rows[2]["latency_ms"]) == 2.1 and rows[3]["latency_ms"] == ""


def test_the_page_is_whole_and_the_same_each_time(experiments: list[Experiment], tmp_path: Path) -> None:
    for name in ("one.html", "two.html"):
        write_comparison(experiments, tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    page = text_of(tmp_path / "one.html")
    assert "c &lt;b&gt;" in page and "<b>c" not in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page), "nothing is fetched"
    assert page.count("<svg ") == 4, "drawings for paper"
    assert re.findall(r'<td class="number best"[^>]*>([^<]*)<', page).count("2.10 ms") == 1
    assert page.count('class="choose"') == 4 and 'href="a/outputs/report/index.html"' in page
    found = re.search(r'id="data">(.*?)</script>', page, re.S)
    assert found is not None
    data = json.loads(found[1])
    assert [key for key, _ in data["settings"]] == differing_keys(experiments)
    assert [len(layers) for layers in data["layers"]] == [40] * 4
    figures = re.search(r'id="figures">(.*?)</script>', page, re.S)
    assert figures is not None
    assert set(json.loads(figures[1])) == {"front-flash_bytes", "front-sram_bytes", "front-latency_ms", "parallel"}


def test_two_hundred_points_are_small(summary: dict[str, Any], tmp_path: Path) -> None:
    many = [
        experiment(f"point {i}", {**summary, "latency_ms": 1 + i / 7}, target=i % 20 / 20, seed=i // 20)
        for i in range(200)
    ]
    write_comparison(many, tmp_path / "many.html")
    assert (tmp_path / "many.html").stat().st_size < 10_000_000


def test_one_experiment_is_no_problem(summary: dict[str, Any], tmp_path: Path) -> None:
    write_comparison([Experiment("alone", summary)], tmp_path / "one.html")
    assert "alone" in text_of(tmp_path / "one.html")
