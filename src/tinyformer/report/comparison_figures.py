# SPDX-License-Identifier: Apache-2.0
"""Figures of many experiments: Pareto fronts under the microcontrollers' limits, and parallel coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from tinyformer.report.experiment import Experiment, front, words
from tinyformer.report.figures import COSTS, LIMIT, PALETTE, WIDE, FigureJson, accuracy_axis, cost_axis, finish, in_unit
from tinyformer.report.formatting import percent
from tinyformer.report.headline import METRICS, Metric

MERIT = "accuracy_int8"
"""What costs are paid for."""
_LONGEST_TICK = 24


def front_figure(experiments: Sequence[Experiment], cost: str) -> FigureJson:
    """INT8 accuracy over ``cost``, one of :data:`~tinyformer.report.figures.COSTS`, a colour each
    microcontroller; its limit is a dotted line. A point's ``customdata`` is its place in ``experiments``."""
    figure = go.Figure()
    metric = next(metric for metric in METRICS if metric.key == cost)
    known = [e for e in experiments if e.value(cost) and e.value(MERIT) is not None]
    chips = dict.fromkeys(_chip(e) for e in known)
    for chip, color in zip(chips, PALETTE * (len(chips) // len(PALETTE) + 1), strict=False):
        own = [e for e in known if _chip(e) == chip]
        figure.add_scatter(
            x=[_place(e, cost) for e in own],
            y=[e.value(MERIT) for e in own],
            mode="markers",
            name=chip,
            marker={"size": 10, "color": color, "opacity": 0.85},
            text=[_hover(e, metric) for e in own],
            customdata=[experiments.index(e) for e in own],
            hovertemplate="%{text}<extra></extra>",
        )
        best = front(own, cost, MERIT)
        if len(best) > 1:
            figure.add_scatter(
                x=[_place(e, cost) for e in best], y=[e.value(MERIT) for e in best], mode="lines", hoverinfo="skip",
                line={"color": color, "width": 1.5, "shape": "hv"},
            )  # fmt: skip
        for limit in sorted({e.limits[cost] for e in own if cost in e.limits}):
            figure.add_vline(x=in_unit(cost, limit), line={**LIMIT, "color": color})
    figure.update_layout(height=360, xaxis_title=COSTS[cost], yaxis_title="INT8 accuracy")
    limits = [in_unit(cost, e.limits[cost]) for e in known if cost in e.limits]
    figure.update_xaxes(**cost_axis([_place(e, cost) for e in known], limits))
    figure.update_yaxes(**accuracy_axis([value for e in known if (value := e.value(MERIT)) is not None]))
    return finish(figure)


def _chip(experiment: Experiment) -> str:
    return str(experiment.summary.get("mcu"))


def _place(experiment: Experiment, cost: str) -> float:
    return in_unit(cost, experiment.value(cost) or 0.0)


def _hover(experiment: Experiment, metric: Metric) -> str:
    figures = f"{percent(experiment.value(MERIT))}, {metric.shorten(experiment.value(metric.key))}"
    return f"<b>{_plain(experiment.name)}</b><br>{figures}"


def parallel_figure(experiments: Sequence[Experiment], keys: Sequence[str]) -> FigureJson:
    """Parallel coordinates: an axis for each of ``keys`` and each headline figure that differs, a line each finished
    experiment."""
    finished = [e for e in experiments if e.value(MERIT) is not None]
    dimensions = [_axis(key, [e.settings.get(key) for e in finished]) for key in keys]
    for metric in METRICS:
        values = [value for e in finished if (value := e.value(metric.key)) is not None]
        if metric.key in (MERIT, *COSTS) and len(values) == len(finished) and len(set(values)) > 1:
            dimensions.append(_metric_axis(metric, values))
    figure = go.Figure()
    figure.add_parcoords(
        dimensions=dimensions,
        line={"color": [e.value(MERIT) for e in finished], "colorscale": [[0, PALETTE[1]], [1, PALETTE[0]]]},
    )
    figure.update_layout(height=420, **WIDE)
    document = finish(figure)
    document["layout"]["margin"] = {"l": 90, "r": 90, "t": 60, "b": 30}
    return document


def _metric_axis(metric: Metric, values: list[float]) -> dict[str, Any]:
    """With a few ticks in the metric's own words, none of them twice."""
    low, high = min(values), max(values)
    ticks = {metric.shorten(tick): tick for tick in (low + (high - low) * step / 4 for step in range(5))}
    return {"label": metric.label, "values": values, "tickvals": list(ticks.values()), "ticktext": list(ticks)}


def _axis(key: str, values: Sequence[Any]) -> dict[str, Any]:
    """Numbers as they are; words at equal distances, in the order of their first appearance."""
    label = key.removesuffix(".name")
    if values and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        distinct = sorted(set(values))
        ticks: dict[str, Any] = {"tickvals": distinct} if len(distinct) <= 8 else {}
        return {"label": label, "values": list(values), **ticks}
    texts = list(dict.fromkeys(words(value) for value in values))
    return {
        "label": label,
        "values": [texts.index(words(value)) for value in values],
        "tickvals": list(range(len(texts))),
        "ticktext": [_plain(text[:_LONGEST_TICK]) for text in texts],
    }


def _plain(text: str) -> str:
    """``text`` without what plotly takes for markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
