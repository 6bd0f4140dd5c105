# SPDX-License-Identifier: Apache-2.0
"""The report's figures as plotly JSON. Text and grid colours are left to the page, which knows light from dark."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from tinyformer.report.formatting import milliseconds, percent, size
from tinyformer.report.inputs import ArenaPlan, ParetoPoint

PALETTE = ("#4c7fe0", "#e0803a", "#3fa37a", "#9a6bd0", "#d4556a", "#2c9fb5", "#b8902f", "#7c8698")
_ACCENT = "#e0803a"
_MAX_MARKER, _MIN_MARKER = 34, 8

FigureJson = dict[str, Any]


def pareto_figure(points: Sequence[ParetoPoint], limits: Mapping[str, float | None]) -> FigureJson:
    """Accuracy over latency; a point's area is its flash, the chosen one is ringed, a limit on latency is drawn."""
    figure = go.Figure()
    largest = max(point["flash_bytes"] for point in points) or 1
    groups = (
        ("evaluated", PALETTE[7], 0.45, [p for p in points if not p.get("front", True) and not p.get("chosen")]),
        ("Pareto front", PALETTE[0], 0.75, [p for p in points if p.get("front", True) and not p.get("chosen")]),
        ("chosen", _ACCENT, 0.95, [p for p in points if p.get("chosen")]),
    )
    for name, color, opacity, members in groups:
        if not members:
            continue
        figure.add_scatter(
            x=[point["latency_ms"] for point in members],
            y=[point["accuracy"] for point in members],
            mode="markers",
            name=name,
            marker={
                "size": [max(_MIN_MARKER, _MAX_MARKER * (p["flash_bytes"] / largest) ** 0.5) for p in members],
                "color": color,
                "opacity": opacity,
                "line": {"width": 2 if name == "chosen" else 0.5, "color": "#ffffff"},
            },
            text=[_describe(point) for point in members],
            hovertemplate="%{text}<extra></extra>",
        )
    if (limit := limits.get("latency_ms")) is not None:
        figure.add_vline(x=limit, line={"dash": "dot", "width": 1.5, "color": PALETTE[4]})
    figure.update_layout(xaxis_title="latency, ms", yaxis_title="accuracy (validation)", yaxis_tickformat=".1%")
    figure.update_layout(height=420, legend={"orientation": "h", "y": 1.08, "x": 0}, legend_itemsizing="constant")
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
    """(heading, figure) for the losses, for the accuracies, and for each other metric that a training logged."""
    keys = sorted({key for row in history for key in row} - {"epoch"})
    losses = [key for key in keys if "loss" in key]
    accuracies = [key for key in keys if "acc" in key and key not in losses]
    others = [key for key in keys if key not in losses and key not in accuracies]
    panels = [("loss", losses), ("accuracy", accuracies), *((key.replace("_", " "), [key]) for key in others)]
    return [
        (heading, _curves(members, history, as_percent=heading == "accuracy")) for heading, members in panels if members
    ]


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
    figure.update_layout(showlegend=len(keys) > 1, legend={"orientation": "h", "y": 1.14, "x": 0})
    if as_percent:
        figure.update_layout(yaxis_tickformat=".0%", yaxis_hoverformat=".2%")
    return finish(figure)


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
    figure.add_hline(y=plan["arena_bytes"] / 1024, line={"dash": "dot", "width": 1.5, "color": PALETTE[4]})
    figure.update_layout(
        height=440,
        bargap=0,
        uniformtext={"minsize": 9, "mode": "hide"},
        showlegend=False,
        xaxis_title="step",
        yaxis_title="arena address, KB",
    )
    first = min((buffer["first"] for buffer in buffers), default=0)  # the input is there before the first step
    figure.update_xaxes(range=[first - 0.5, max(len(steps), 1) - 0.5], showgrid=False)
    figure.update_yaxes(range=[0, plan["arena_bytes"] / 1024 * 1.05])
    return finish(figure)


def _step(steps: Sequence[str], index: int) -> str:
    return f"{index} {steps[index]}" if 0 <= index < len(steps) else "before the first" if index < 0 else "the end"


def finish(figure: go.Figure) -> FigureJson:
    """The JSON of ``figure`` in the style of all."""
    figure.update_xaxes(title_standoff=8, title_font_size=12)
    figure.update_yaxes(title_standoff=12, title_font_size=12)
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 60, "r": 16, "t": 24, "b": 48},
    )
    document: dict[str, Any] = json.loads(figure.to_json(engine="json"))
    return document
