# SPDX-License-Identifier: Apache-2.0
"""The package's README: what it says stands in the package's report, measured figures included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinyformer.engine.emit.model_text import tensor_view
from tinyformer.engine.emit.templating import render
from tinyformer.engine.schedule.planner import ALIGNMENT
from tinyformer.ir.graph import Tensor


def render_readme(report: Mapping[str, Any]) -> str:
    """``README.md`` of the package that ``report``, the content of its ``report.json``, describes."""
    name = report["model"]
    return render(
        "README.md.j2",
        {
            "name": name,
            "M": name.upper(),
            "report": report,
            "alignment": ALIGNMENT,
            "input": _describe(report["input"]),
            "outputs": [_describe(output) for output in report["outputs"]],
            "settings": {key: value for key, value in report["settings"].items() if value is not None},
        },
    )


def _describe(entry: Mapping[str, Any]) -> str:
    return tensor_view(Tensor(entry["name"], tuple(entry["shape"]), entry["scale"], entry["zero_point"])).describe
