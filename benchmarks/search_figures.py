# SPDX-License-Identifier: Apache-2.0
"""What ``bench_search`` concludes from its cells: differences with confidence intervals, rank correlation, plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from plotly.subplots import make_subplots
from rich.table import Table
from scipy import stats

Document = dict[str, Any]

CONFIDENCE = 0.95
_COLORS = ("#4c7fe0", "#e0803a", "#3fa37a", "#9a6bd0")
OTHERS = {
    "uniform": "its own architecture, evenly sparse",
    "random": "random search, as many evaluations",
    "dense": "the best dense network",
}
PARTS = {
    "uncompensated": "compensation",
    "one_shot": "finalists",
    "shrunk": "single paths instead of progressive shrinking",
}


def figures(results: Sequence[Document]) -> Document:
    """All figures, for JSON. Accuracies are fractions of the 10,000 test images after fine-tuning."""
    return {
        "supernas": _supernas(results),
        "sparsenas": {
            "accuracy": {arm: _column(results, arm) for arm in ("joint", *OTHERS)},
            "latency_ms": {arm: _column(results, arm, "latency_ms") for arm in ("joint", *OTHERS)},
            "flash_bytes": {arm: _column(results, arm, "flash_bytes") for arm in ("joint", *OTHERS)},
            "block_sparsity": {arm: _column(results, arm, "block_sparsity") for arm in ("joint", *OTHERS)},
            "gain_over": {arm: _difference(results, "joint", arm) for arm in OTHERS},
        },
        "rank_correlation": _rank_correlation(results),
        "parts": {
            "accuracy": {arm: _column(results, arm) for arm in PARTS},
            "gain_of_joint_over": {arm: _difference(results, "joint", arm) for arm in PARTS},
        },
        "binding": [result["binding"] for result in results],
        "cpu_s": {
            "supernas": [result["search_cpu_s"] for result in results],
            "training": [result["training_cpu_s"] for result in results],
        },
        "evaluations": [result["evaluations"] for result in results],
        "cells": list(results),
    }


def tables(found: Document) -> list[Table]:
    """The figures as tables for the console."""
    supernas = Table(
        "seed", "SuperNAS", "by score", "median of 8", "best of 8", "standard error", title="(a) supernets, %"
    )
    for i, row in enumerate(found["supernas"]["seeds"]):
        cells = [f"{100 * row[name]:.2f}" for name in ("chosen", "by_score", "median", "best", "standard_error")]
        supernas.add_row(str(i + 1), *cells)
    arms = {**found["sparsenas"]["accuracy"], **found["parts"]["accuracy"]}
    searches = Table(
        "arm", *(f"seed {i + 1}" for i in range(len(arms["joint"]))), "joint - arm", title="(b), (d) test accuracy, %"
    )
    gains = {**found["sparsenas"]["gain_over"], **found["parts"]["gain_of_joint_over"]}
    for arm, column in arms.items():
        gain = gains.get(arm)
        text = f"{100 * gain['mean']:+.2f}" if gain else ""
        if gain and gain["half_width"] is not None:
            text += f" ± {100 * gain['half_width']:.2f}"
        searches.add_row(arm, *(f"{100 * value:.2f}" for value in column), text)
    ranks = Table("seed", "Kendall's tau", title="(c) one-shot score against fine-tuned accuracy")
    for i, tau in enumerate(found["rank_correlation"]["seeds"]):
        ranks.add_row(str(i + 1), f"{tau:.3f}")
    return [supernas, searches, ranks]


def write_plots(results: Sequence[Document], path: Path) -> None:
    """Three figures, as a page of its own."""
    titles = ("Supernets: best sub-network", "Searches within the same limits", "Score and accuracy")
    figure = make_subplots(rows=1, cols=3, subplot_titles=titles)
    arms = ["joint", *OTHERS, *PARTS]
    for i, result in enumerate(results):
        seed, nets = result["seed"], result["supernet"]
        random = [item for name, item in nets.items() if name.startswith("random")]
        ranked = list(result["ranked"])

        def dots(column: int, x: Sequence[Any], items: Sequence[Document], name: str, **marker: Any) -> None:
            style = {"color": _COLORS[i % len(_COLORS)], "size": 8, **marker}  # noqa: B023 - called at once
            y = [100 * item["test_accuracy"] for item in items]
            figure.add_trace(go.Scatter(x=x, y=y, mode="markers", marker=style, name=name), 1, column)

        dots(1, [seed] * len(random), random, f"random, seed {seed}", opacity=0.5)
        dots(1, [seed], [nets["chosen"]], f"SuperNAS, seed {seed}", symbol="star", size=14)
        dots(2, arms, [result["arm"][arm] for arm in arms], f"seed {seed}")
        dots(
            3, [100 * result["scores"][name] for name in ranked], [result["ranked"][n] for n in ranked], f"seed {seed}"
        )
    figure.update_xaxes(title_text="seed", dtick=1, row=1, col=1)
    figure.update_xaxes(title_text="one-shot validation accuracy, %", row=1, col=3)
    figure.update_yaxes(title_text="test accuracy, %", row=1, col=1)
    figure.write_html(path, include_plotlyjs=True)


def write_picture(results: Sequence[Document], path: Path) -> None:
    """The same three figures as one SVG, for the documentation."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    supernets, searches, ranks = figure.subplots(1, 3)
    arms = ["joint", *OTHERS, *PARTS]
    for i, result in enumerate(results):
        color, label = _COLORS[i % len(_COLORS)], f"seed {result['seed']}"
        nets = {name: 100 * item["test_accuracy"] for name, item in result["supernet"].items()}
        random = [value for name, value in nets.items() if name.startswith("random")]
        supernets.scatter([result["seed"]] * len(random), random, s=18, alpha=0.5, color=color)
        supernets.scatter([result["seed"]], [nets["chosen"]], s=120, marker="*", color=color)
        offset = (i - (len(results) - 1) / 2) * 0.15
        accuracies = [100 * result["arm"][arm]["test_accuracy"] for arm in arms]
        searches.scatter([j + offset for j in range(len(arms))], accuracies, s=18, color=color, label=label)
        names = list(result["ranked"])
        ranks.scatter(
            [100 * result["scores"][name] for name in names],
            [100 * result["ranked"][name]["test_accuracy"] for name in names],
            s=18,
            color=color,
        )
    supernets.set(title="Supernets: SuperNAS' (star), random", xlabel="seed", ylabel="test accuracy, %")
    supernets.set_xticks([result["seed"] for result in results])
    searches.set(title="Searches within the same limits")
    searches.set_xticks(range(len(arms)), arms, rotation=40, ha="right")
    searches.legend(fontsize="small")
    ranks.set(title="Score and accuracy", xlabel="one-shot validation accuracy, %", ylabel="test accuracy, %")
    figure.savefig(path, metadata={"Date": None})


def interval(values: Sequence[float]) -> dict[str, Any]:
    """Mean, half the width of Student's confidence interval around it (null for one value), and how many are above
    0."""
    count = len(values)
    half = float(stats.sem(values) * stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) if count > 1 else None
    return {"mean": float(np.mean(values)), "half_width": half, "positive": int(np.sum(np.array(values) > 0))}


def _supernas(results: Sequence[Document]) -> Document:
    rows = []
    for result in results:
        nets = {name: item["test_accuracy"] for name, item in result["supernet"].items()}
        random = [value for name, value in nets.items() if name.startswith("random")]
        rows.append(
            {
                "chosen": nets["chosen"],
                "by_score": nets["by_score"],
                "median": float(np.median(random)),
                "best": max(random),
                "standard_error": float(stats.sem(random)),
                "rank": 1 + sum(value > nets["chosen"] for value in random),
            }
        )
    return {
        "seeds": rows,
        "gain_over_median": interval([row["chosen"] - row["median"] for row in rows]),
        "gain_over_score_alone": interval([row["chosen"] - row["by_score"] for row in rows]),
    }


def _rank_correlation(results: Sequence[Document]) -> Document:
    taus = []
    for result in results:
        names = list(result["ranked"])
        tau = stats.kendalltau(
            [result["scores"][name] for name in names], [result["ranked"][name]["test_accuracy"] for name in names]
        )
        taus.append(float(tau.statistic))
    return {"seeds": taus, "subnetworks": [len(result["ranked"]) for result in results], **interval(taus)}


def _column(results: Sequence[Document], arm: str, figure: str = "test_accuracy") -> list[float]:
    return [result["arm"][arm][figure] for result in results]


def _difference(results: Sequence[Document], a: str, b: str) -> dict[str, Any]:
    return interval([x - y for x, y in zip(_column(results, a), _column(results, b), strict=True)])
