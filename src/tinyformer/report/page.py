# SPDX-License-Identifier: Apache-2.0
"""Rendering one self-contained HTML file: styles, scripts, data and plotly itself inside, nothing fetched."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from tinyformer.files import replace_file
from tinyformer.report import formatting, static
from tinyformer.report.figures import FigureJson, legend

_ENVIRONMENT = Environment(
    loader=PackageLoader("tinyformer.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters.update(
    size=formatting.size,
    percent=formatting.percent,
    integer=formatting.integer,
    compact=formatting.compact,
    milliseconds=formatting.milliseconds,
    shape=formatting.shape,
    product=math.prod,
)


def write_page(
    template: str, destination: Path, figures: dict[str, FigureJson], data: Any = None, **context: Any
) -> None:
    """Render ``template`` to ``destination``, which is replaced as a whole.

    ``figures`` maps the ids of the page's figure elements to plotly JSON; ``data`` is for the page's script.
    Equal arguments give equal bytes.
    """
    html = _ENVIRONMENT.get_template(template).render(
        figures=_embeddable(figures),
        data=_embeddable(data),
        drawings={name: static.draw(figure, name) for name, figure in figures.items()},
        legends={name: legend(figure) for name, figure in figures.items()},
        plotly=Markup(get_plotlyjs()),  # a trusted part of the plotly package
        **context,
    )
    replace_file(destination, html.encode())


def _embeddable(value: Any) -> Markup:
    """JSON that may stand inside a <script> element."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))
