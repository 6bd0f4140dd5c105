# SPDX-License-Identifier: Apache-2.0
"""Figures of many experiments: Pareto fronts under the microcontrollers' limits, and parallel coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from tinyformer.report.experiment import Experiment, front, words
from tinyformer.report.figures import PALETTE, FigureJson, finish
from tinyformer.report.formatting import percent
from tinyformer.report.headline import METRICS, Metric

FRONTS = {"flash_bytes": "flash, bytes", "sram_bytes": "SRAM, bytes", "latency_ms": "latency, ms"}
"""Costs that accuracy is drawn against, with the axis' title."""

_MERIT = "accuracy_int8"
_LONGEST_TICK = 24


def front_figure(experiments: Sequence[Experiment], cost: str, title: str) -> FigureJson:
    """INT8 accuracy over ``cost`` on a logarithmic axis, a colour each microcontroller; its limit is a dotted line."""
    figure = go.Figure()
    metric = next(metric for metric in METRICS if metric.key == cost)
    chips = dict.fromkeys(str(e.summary.get("mcu")) for e in experiments)
    for chip, color in zip(chips, PALETTE * (len(chips) // len(PALETTE) + 1), strict=False):
        own = [e for e in experiments if str(e.summary.get("mcu")) == chip and e.value(cost) and e.value(_MERIT)]
        figure.add_scatter(
            x=[e.value(cost) for e in own],
            y=[e.value(_MERIT) for e in own],
            mode="markers",
            name=chip,
            marker={"size": 10, "color": color, "opacity": 0.85},
            text=[_hover(e, metric) for e in own],
            hovertemplate="%{text}<extra></extra>",
        )
        best = front(own, cost, _MERIT)
        if len(best) > 1:
            figure.add_scatter(
                x=[e.value(cost) for e in best], y=[e.value(_MERIT) for e in best], mode="lines", hoverinfo="skip",
                line={"color": color, "width": 1.5, "shape": "hv"}, showlegend=False,
            )  # fmt: skip
        for limit in sorted({e.limits[cost] for e in own if cost in e.limits}):
            figure.add_vline(x=limit, line={"dash": "dot", "width": 1.5, "color": color})
    figure.update_layout(height=360, showlegend=len(chips) > 1, legend={"orientation": "h", "y": 1.12, "x": 0})
    figure.update_layout(xaxis={"title": title, "type": "log"}, yaxis={"title": "INT8 accuracy", "tickformat": ".1%"})
    return finish(figure)


def _hover(experiment: Experiment, metric: Metric) -> str:
    figures = f"{percent(experiment.value(_MERIT))}, {metric.shorten(experiment.value(metric.key))}"
    return f"<b>{_plain(experiment.name)}</b><br>{figures}"


def parallel_figure(experiments: Sequence[Experiment], keys: Sequence[str]) -> FigureJson:
    """Parallel coordinates: an axis for each of ``keys`` and each headline figure, a line each finished experiment."""
    finished = [e for e in experiments if e.value(_MERIT) is not None]
    dimensions = [_axis(key, [e.settings.get(key) for e in finished]) for key in keys]
    for metric in METRICS:
        values = [e.value(metric.key) for e in finished]
        if metric.key in (_MERIT, *FRONTS) and values and None not in values:
            dimensions.append({"label": metric.label, "values": values})
    figure = go.Figure()
    figure.add_parcoords(
        dimensions=dimensions,
        line={"color": [e.value(_MERIT) for e in finished], "colorscale": [[0, PALETTE[1]], [1, PALETTE[0]]]},
    )
    figure.update_layout(height=420)
    document = finish(figure)
    document["layout"]["margin"] = {"l": 90, "r": 90, "t": 60, "b": 30}
    return document


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
