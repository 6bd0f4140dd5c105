# SPDX-License-Identifier: Apache-2.0
"""Report and comparison as people see them: on a desk and a phone, by light and dark, without scripts, on paper."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ui.conftest import Open

pytestmark = pytest.mark.ui

Page = Any


@pytest.fixture(params=["report", "comparison"])
def path(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def axe_violations(page: Page) -> list[str]:
    """What axe-core finds: rule, and what it is about."""
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415  (of the extra `ui`)

    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


def seen(page: Page, selector: str) -> list[bool]:
    """Whether each figure shows something of ``selector`` that takes place."""
    return page.eval_on_selector_all(
        ".figure",
        "(figures, what) => figures.map((figure) => [...figure.querySelectorAll(what)].some("
        "(each) => each.getBoundingClientRect().width > 100 && each.getBoundingClientRect().height > 100))",
        selector,
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_axe_finds_nothing(show: Open, path: Path, width: int, scheme: str) -> None:
    page = show(path, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert axe_violations(page) == []
    page.emulate_media(media="print")
    assert axe_violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_shows_when_and_where_it_was_computed(
    show: Open, report: Path, provenance: Path, scheme: str
) -> None:
    page = show(report, color_scheme=scheme, java_script_enabled=False)
    [frame] = [frame for frame in page.frames if frame.url == provenance.as_uri()]
    assert "tinyformer repro" in frame.content()
    box = page.query_selector("object").bounding_box()
    assert box["width"] > 600 and box["height"] > 300
    assert axe_violations(show(provenance, color_scheme=scheme, viewport={"width": 375, "height": 600})) == []
    provenance.unlink()
    assert "When and where it was computed" in show(report).inner_text("main"), "the report alone is whole"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_figures_are_seen_without_javascript_and_on_paper(show: Open, path: Path, width: int, scheme: str) -> None:
    settings = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    page = show(path, **settings)
    live = seen(page, ".live svg")
    assert len(live) >= 4 and all(live)
    assert not any(seen(page, ".drawing svg")), "each once"
    page.emulate_media(media="print")
    assert all(seen(page, ".drawing svg")) and not any(seen(page, ".live svg"))

    page = show(path, **settings, java_script_enabled=False)
    for figure in page.query_selector_all(".figure"):
        box = figure.query_selector(".drawing svg").bounding_box()
        assert box["width"] > 200 and box["height"] > 100
        assert box["x"] + box["width"] <= width or figure.get_attribute("tabindex") == "0", "or it scrolls"
    assert not page.query_selector("#filter:visible, input.choose:visible"), "no controls that do nothing"


@pytest.mark.parametrize("width", [1280, 375])
def test_nothing_but_tables_and_wide_figures_scrolls_sideways(show: Open, path: Path, width: int) -> None:
    page = show(path, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = page.evaluate(
        "[...document.querySelectorAll('main *')].filter((each) => each.scrollWidth > each.clientWidth + 1 &&"
        " ['auto', 'scroll'].includes(getComputedStyle(each).overflowX)).map((each) => [each.tabIndex,"
        " each.getAttribute('aria-label') ?? '', getComputedStyle(each).backgroundImage.includes('gradient')])"
    )
    assert width == 1280 or wide, "tables do not fit a phone"
    for tab, label, shadow in wide:
        assert tab == 0 and label and shadow, "by keyboard, by ear, and by eye"


def test_it_prints(show: Open, path: Path, tmp_path: Path) -> None:
    page = show(path)
    page.pdf(path=tmp_path / "page.pdf", format="A4")
    text = (tmp_path / "page.pdf").read_bytes()
    assert text.startswith(b"%PDF") and text.count(b"/Type /Page\n") + text.count(b"/Type/Page\n") >= 2


def test_ticks_of_an_axis_are_all_different(show: Open, path: Path) -> None:
    page = show(path)
    texts = page.eval_on_selector_all(
        ".live",
        "(figures) => figures.flatMap((figure) => ['.xtick', '.ytick'].map((axis) =>"
        " [...figure.querySelectorAll(axis)].map((tick) => tick.textContent))).filter((texts) => texts.length)",
    )
    assert len(texts) >= 6
    for ticks in texts:
        assert len(ticks) > 1 and len(set(ticks)) == len(ticks), ticks


def test_legends_lie_beside_the_curves(show: Open, path: Path) -> None:
    for width in (1280, 375):
        page = show(path, viewport={"width": width, "height": 800})
        assert page.query_selector_all(".live .legend") == []
        boxes = page.eval_on_selector_all(
            ".heading + .figure",
            "(figures) => figures.map((figure) => [figure.previousElementSibling.getBoundingClientRect().bottom,"
            " figure.getBoundingClientRect().top])",
        )
        assert boxes and all(bottom <= top for bottom, top in boxes)


# --- tables -------------------------------------------------------------------------------------------------------


def column(page: Page, index: int) -> list[float]:
    values = page.eval_on_selector_all(
        "table.sortable tbody tr:not([hidden])",
        "(rows, index) => rows.map((row) => row.cells[index].dataset.value ?? row.cells[index].textContent)",
        index,
    )
    return [float(value) for value in values]


def heading(page: Page, name: str) -> tuple[Any, int]:
    texts = page.eval_on_selector_all("table.sortable thead th", "(cells) => cells.map((each) => each.innerText)")
    index = [text.strip() for text in texts].index(name)
    return page.query_selector_all("table.sortable thead th")[index].query_selector("button"), index


@pytest.mark.parametrize("name", ["Cycles", "Latency"])
def test_a_click_and_a_key_sort(show: Open, report: Path, comparison: Path, name: str) -> None:
    page = show(report if name == "Cycles" else comparison)
    button, index = heading(page, name)
    button.click()
    assert column(page, index) == sorted(column(page, index), reverse=True)
    button.press("Enter")
    values = column(page, index)
    assert values == sorted(values) and len(set(values)) > 2


def test_two_hundred_points_are_filtered(show: Open, comparison: Path) -> None:
    assert comparison.stat().st_size < 10_000_000
    page = show(comparison)
    page.fill("#filter", "S70 h743")
    rows = page.eval_on_selector_all("#comparison tbody tr", "(rows) => rows.map((row) => [row.hidden, row.innerText])")
    assert len(rows) == 200
    assert all(hidden or ("s70" in text and "h743" in text) for hidden, text in rows)
    shown = sum(not hidden for hidden, _ in rows)
    assert shown == 20 and page.inner_text("#shown") == "20 of 200 shown"


def test_columns_that_follow_from_others_are_shown_on_demand(show: Open, comparison: Path) -> None:
    page = show(comparison)
    following, leading = page.get_by_role("button", name="mcu.memories"), page.get_by_role("button", name="mcu.name")
    assert leading.is_visible() and not following.is_visible()
    page.check("#all-keys")
    assert leading.is_visible() and following.is_visible()


def test_two_that_are_ticked_show_their_differences_down_to_layers(show: Open, comparison: Path) -> None:
    page = show(comparison)
    assert not page.is_visible("#difference")
    boxes = page.query_selector_all("input.choose")
    boxes[0].check()
    boxes[3].check()
    assert page.is_visible("#difference")
    text = page.inner_text("#difference")
    names = json.loads(page.inner_text("#data") or page.evaluate("document.getElementById('data').textContent"))[
        "names"
    ]
    assert names[0] in text and names[3] in text
    assert "sparsity.target" in text and "mcu.name" in text and "block7.conv" in text
    assert "Accuracy, float" not in text, "it is the same"
    boxes[5].check()
    assert not boxes[0].is_checked() and names[0] not in page.inner_text("#difference"), "the third takes a place"
    assert axe_violations(page) == []


def test_points_of_a_figure_are_chosen_by_a_click(show: Open, comparison: Path) -> None:
    page = show(comparison)
    points = page.query_selector_all("#front-latency_ms .scatterlayer .points path")
    assert len(points) == 200
    for index in (0, 150):
        points[index].scroll_into_view_if_needed()
        box = points[index].bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_selector("#front-latency_ms .hoverlayer .hovertext")
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#difference:visible")
    assert len(page.query_selector_all("input.choose:checked")) == 2
