# SPDX-License-Identifier: Apache-2.0
"""The pages in headless Chromium: Playwright's own (`playwright install chromium`), or the system's."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.report.conftest import inputs, mcu, summary
from tests.report.test_compare import experiment
from tinyformer.report.compare import write_comparison
from tinyformer.report.html import write_report
from tinyformer.report.inputs import ReportInputs
from tinyformer.report.provenance import StageRecord, write_provenance

playwright = pytest.importorskip("playwright.sync_api", reason="the extra `ui` is not installed; `make test-ui` does")

__all__ = ["inputs", "mcu", "summary"]

Open = Callable[..., Any]

# Nothing here has a network; without these, Chromium looks for updates at every start.
_QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    with playwright.sync_playwright() as driver:
        own = driver.chromium.executable_path
        path = own if Path(own).is_file() else shutil.which("chromium") or shutil.which("google-chrome")
        if path is None:
            pytest.skip("no Chromium: run `playwright install chromium`, or install your system's")
        running = driver.chromium.launch(executable_path=path, args=_QUIET)
        yield running
        running.close()


@pytest.fixture
def report(inputs: ReportInputs, tmp_path: Path) -> Path:
    """A report with all its sections, and the page beside it that says when and where it was computed."""
    (tmp_path / "report").mkdir()
    known = {"date": "2030-01-02 03:04 UTC", "took": "5 s", "command": "tinyformer repro", "machine": "host: a CPU"}
    stages = ("prepare", "supernas", "train_supernet", "sparsenas", "finetune", "quantize", "deploy", "report")
    records = [StageRecord(name, "computed", {**known, "commit": f"{len(name):012x}"}) for name in stages]
    write_provenance(records, tmp_path / "provenance.html")
    page = tmp_path / "report" / "index.html"
    write_report(replace(inputs, provenance="../provenance.html"), page)
    return page


@pytest.fixture
def provenance(report: Path) -> Path:
    """That page by itself."""
    return report.parents[1] / "provenance.html"


@pytest.fixture
def comparison(summary: dict[str, Any], tmp_path: Path) -> Path:
    """200 experiments: two microcontrollers, five sparsities, twenty seeds."""
    draw = random.Random(0)
    experiments = []
    for index in range(200):
        chip, step, seed = "stm32h743" if index % 2 else "stm32f746", index // 2 % 5, index // 10
        figures = {
            **summary,
            "mcu": chip,
            "latency_ms": (5 - step + draw.random()) * (0.6 if index % 2 else 1),
            "accuracy_int8": 0.99 - 0.005 * step + 0.004 * draw.random(),
            "flash_bytes": 60_000 + 9_000 * (5 - step) + draw.randrange(4_000),
        }
        name = f"mcu={chip},sparsity=s{50 + 10 * step},seed={seed}"
        experiments.append(experiment(name, figures, chip, 0.5 + step / 10, seed))
    write_comparison(experiments, tmp_path / "comparison.html")
    return tmp_path / "comparison.html"


@pytest.fixture
def show(browser: Any) -> Iterator[Open]:
    """``show(path, **settings of the context)`` opens a page, which must come without an error."""
    contexts = []

    def open_page(path: Path, **settings: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
        page.goto(path.as_uri())
        assert problems == [], "neither errors nor anything fetched"
        return page

    yield open_page
    for context in contexts:
        context.close()
