# SPDX-License-Identifier: Apache-2.0
"""The report's figures as plotly JSON. Text and grid colours are left to the page, which knows light from dark."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from tinyformer.report.formatting import milliseconds, percent, size
from tinyformer.report.inputs import ArenaPlan, ParetoPoint

PALETTE = ("#4c7fe0", "#e0803a", "#3fa37a", "#9a6bd0", "#d4556a", "#2c9fb5", "#b8902f", "#7c8698")
_ACCENT = "#e0803a"
LIMIT = {"dash": "dot", "width": 1.5, "color": PALETTE[4]}
"""The line of a budget."""
_FAR = 3
"""Costs that differ by such a factor would be squeezed on a linear axis."""

_WIDE_SPAN = 10

COSTS = {"latency_ms": "latency, ms", "flash_bytes": "flash, KB", "sram_bytes": "SRAM, KB"}
"""Costs that accuracy is drawn against, with the axis' title."""

WIDE = {"meta": {"width": 1080}}
"""Layout of a figure that takes the whole width of the page."""

FigureJson = dict[str, Any]


def in_unit(cost: str, value: float) -> float:
    """``value`` in the unit of its axis."""
    return value / 1024 if cost.endswith("_bytes") else value


def pareto_figure(points: Sequence[ParetoPoint], cost: str, limit: float | None) -> FigureJson:
    """Accuracy over ``cost``, one of :data:`COSTS`; the chosen point is ringed, the budget is a dotted line."""
    figure = go.Figure()
    costs = {id(point): float(point[cost]) for point in points}  # type: ignore[literal-required]
    groups = (
        ("evaluated", PALETTE[7], 0.45, [p for p in points if not p.get("front", True) and not p.get("chosen")]),
        ("Pareto front", PALETTE[0], 0.75, [p for p in points if p.get("front", True) and not p.get("chosen")]),
        ("chosen", _ACCENT, 0.95, [p for p in points if p.get("chosen")]),
    )
    for name, color, opacity, members in groups:
        if not members:
            continue
        figure.add_scatter(
            x=[in_unit(cost, costs[id(point)]) for point in members],
            y=[point["accuracy"] for point in members],
            mode="markers",
            name=name,
            marker={
                "size": 14 if name == "chosen" else 9,
                "color": color,
                "opacity": opacity,
                "line": {"width": 2 if name == "chosen" else 0.5, "color": "#ffffff"},
            },
            text=[_describe(point) for point in members],
            hovertemplate="%{text}<extra></extra>",
        )
    limits = [] if limit is None else [in_unit(cost, limit)]
    for place in limits:
        figure.add_vline(x=place, line=LIMIT)
    figure.update_xaxes(**cost_axis([in_unit(cost, value) for value in costs.values()], limits))
    figure.update_layout(xaxis_title=COSTS[cost], yaxis_title="accuracy (validation)", height=340)
    figure.update_yaxes(**accuracy_axis([point["accuracy"] for point in points]))
    return finish(figure)


def _describe(point: ParetoPoint) -> str:
    lines = [
        f"<b>{percent(point['accuracy'])}</b> at {milliseconds(point['latency_ms'])}",
        f"flash {size(point['flash_bytes'])}, SRAM {size(point['sram_bytes'])}",
    ]
    if "block_sparsity" in point:
        lines.append(f"block sparsity {percent(point['block_sparsity'], 0)}")
    if "label" in point:
        lines.append(point["label"])
    return "<br>".join(lines)


def training_figures(history: Sequence[Mapping[str, float | None]]) -> list[tuple[str, FigureJson]]:
    """(heading, figure) for the losses, for the accuracies, and for each other metric that a training logged, but for
    :func:`constants`."""
    keys = sorted(_values(history).keys() - constants(history).keys())
    losses = [key for key in keys if "loss" in key]
    accuracies = [key for key in keys if "acc" in key and key not in losses]
    others = [key for key in keys if key not in losses and key not in accuracies]
    panels = [("loss", losses), ("accuracy", accuracies), *((key.replace("_", " "), [key]) for key in others)]
    return [
        (heading, _curves(members, history, as_percent=heading == "accuracy")) for heading, members in panels if members
    ]


def constants(history: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    """Metrics with one value throughout, which say more as a number than as a line."""
    return {key: values[0] for key, values in _values(history).items() if len(set(values)) == 1}


def _values(history: Sequence[Mapping[str, float | None]]) -> dict[str, list[float]]:
    """What was measured, by metric."""
    keys = sorted({key for row in history for key in row} - {"epoch"})
    found = {key: [value for row in history if (value := row.get(key)) is not None] for key in keys}
    return {key: values for key, values in found.items() if values}


def _curves(keys: Sequence[str], history: Sequence[Mapping[str, float | None]], *, as_percent: bool) -> FigureJson:
    figure = go.Figure()
    for index, key in enumerate(keys):
        rows = [row for row in history if row.get(key) is not None]
        figure.add_scatter(
            x=[row["epoch"] for row in rows],
            y=[row[key] for row in rows],
            mode="lines" if len(rows) > 1 else "markers",
            name=key.replace("_", " "),
            line={"color": PALETTE[index % len(PALETTE)], "width": 2},
        )
    figure.update_layout(height=240, xaxis_title="epoch", hovermode="x unified")
    if as_percent:
        figure.update_yaxes(**accuracy_axis([y for trace in figure.data for y in trace.y]))
    return finish(figure)


def accuracy_axis(values: Sequence[float]) -> dict[str, Any]:
    """An axis of shares 0..1 around ``values`` whose ticks have the digits that tell them apart, and none above 1."""
    low, high = min(values), max(values)
    span = max(high - low, 0.01)
    margin = 0.06 * span  # less than the distance of two ticks, so that none lies above the highest value
    return {"range": [high - span - margin, high + margin], "tickformat": "~%", "hoverformat": ".2%", "nticks": 6}


def cost_axis(values: Sequence[float], limits: Sequence[float]) -> dict[str, Any]:
    """An axis around positive ``values`` and their ``limits``: logarithmic, with round numbers in full, where it spans
    more than a factor of three."""
    low, high = min(*values, *limits, math.inf), max(*values, *limits, 0.0)
    if not 0 < low < high / _FAR:
        return {}
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    digits = (1, 2, 5) if high / low > _WIDE_SPAN else (1, 1.5, 2, 3, 4, 6, 8)
    rounds = [digit * 10.0**decade for decade in decades for digit in digits]
    ticks = [tick for tick in rounds if low * 0.9 <= tick <= high * 1.1]
    return {
        "type": "log",
        "range": [math.log10(low * 0.85), math.log10(high * 1.15)],
        "tickvals": ticks,
        "ticktext": [f"{tick:,.10g}" for tick in ticks],
    }


def arena_figure(plan: ArenaPlan) -> FigureJson:
    """What lies where in the arena: a box for each buffer, from its first to its last step, between its addresses."""
    figure = go.Figure()
    buffers = sorted(plan["buffers"], key=lambda buffer: (buffer["first"], buffer["offset"]))
    steps = plan["steps"]
    figure.add_bar(
        x=[(buffer["first"] + buffer["last"]) / 2 for buffer in buffers],
        width=[buffer["last"] - buffer["first"] + 1 for buffer in buffers],
        base=[buffer["offset"] / 1024 for buffer in buffers],
        y=[buffer["bytes"] / 1024 for buffer in buffers],
        marker={
            "color": [PALETTE[index % (len(PALETTE) - 1)] for index in range(len(buffers))],
            "opacity": 0.8,
            "line": {"width": 1, "color": "rgba(255,255,255,0.7)"},
        },
        text=[buffer["name"].rsplit(".", 1)[-1] for buffer in buffers],
        textposition="inside",
        insidetextanchor="middle",
        textfont={"color": "#ffffff", "size": 10},
        customdata=[
            [
                buffer["name"],
                size(buffer["bytes"]),
                f"{buffer['offset']:,}",
                f"{buffer['offset'] + buffer['bytes']:,}",
                _step(steps, buffer["first"]),
                _step(steps, buffer["last"]),
            ]
            for buffer in buffers
        ],
        hovertemplate=(
            "<b>%{customdata[0]}</b>: %{customdata[1]}<br>bytes %{customdata[2]} to %{customdata[3]}<br>"
            "from %{customdata[4]}<br>to %{customdata[5]}<extra></extra>"
        ),
    )
    figure.add_hline(y=plan["arena_bytes"] / 1024, line=LIMIT)
    figure.update_layout(
        height=440,
        **WIDE,
        bargap=0,
        uniformtext={"minsize": 9, "mode": "hide"},
        xaxis_title="step",
        yaxis_title="arena address, KB",
    )
    first = min((buffer["first"] for buffer in buffers), default=0)  # the input is there before the first step
    figure.update_xaxes(range=[first - 0.5, max(len(steps), 1) - 0.5], showgrid=False)
    figure.update_yaxes(range=[0, plan["arena_bytes"] / 1024 * 1.05])
    return finish(figure)


def _step(steps: Sequence[str], index: int) -> str:
    return f"{index} {steps[index]}" if 0 <= index < len(steps) else "before the first" if index < 0 else "the end"


def legend(figure: FigureJson) -> list[tuple[str, str]]:
    """(name, colour) of the named traces; empty where there is nothing to tell apart."""
    named = [trace for trace in figure["data"] if trace.get("name")]
    entries = [(trace["name"], trace.get("marker", {}).get("color") or trace["line"]["color"]) for trace in named]
    return entries if len(entries) > 1 else []


def finish(figure: go.Figure) -> FigureJson:
    """The JSON of ``figure`` in the style of all; its legend is the page's business (:func:`legend`)."""
    figure.update_xaxes(title_standoff=8, title_font_size=12)
    figure.update_yaxes(title_standoff=12, title_font_size=12)
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        margin={"l": 60, "r": 16, "t": 10, "b": 48},
    )
    document: dict[str, Any] = json.loads(figure.to_json(engine="json"))
    return document
