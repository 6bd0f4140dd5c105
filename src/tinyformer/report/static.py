# SPDX-License-Identifier: Apache-2.0
"""The page's figures once more as SVG, for paper and for browsers without JavaScript.

A figure is described once, as plotly JSON. Here matplotlib draws what this package uses of that: scatter, bars with a
base, parallel coordinates, and straight lines across a plot.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

_INK, _MUTED, _GRID = "#010203", "#010204", "#010205"
"""Stand for the colours that follow the light or dark scheme."""
_SCHEME = {_INK: "var(--ink)", _MUTED: "var(--muted)", _GRID: "var(--grid)"}

_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_COORDINATES = {"d", "x", "y", "width", "height", "transform"}
_DASHES = {"dot": (0, (1, 2)), "dash": (0, (4, 3))}
_DOTS_AN_INCH = 72
_WIDTH = 420
_STYLE: dict[Any, Any] = {  # matplotlib's type names each of its settings
    "svg.fonttype": "none",  # text stays text, in the page's font
    "text.parse_math": False,
    **dict.fromkeys(("font.size", "axes.labelsize", "xtick.labelsize", "ytick.labelsize"), 12),
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), _MUTED),
    **dict.fromkeys(("axes.edgecolor", "grid.color"), _GRID),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
    **dict.fromkeys(("xtick.major.size", "ytick.major.size", "xtick.minor.size", "ytick.minor.size"), 0),
}


def draw(figure: dict[str, Any], name: str) -> Markup:
    """``figure``, plotly's JSON, as an SVG element that scales to its place.

    Its natural width is ``layout.meta.width``, its height the layout's.

    Identifiers inside begin with ``name``. Equal arguments give equal text.

    Raises:
        KeyError: for a kind of trace that no page uses.
    """
    layout = figure["layout"]
    with rc_context({**_STYLE, "svg.hashsalt": name}):
        size = layout.get("meta", {}).get("width", _WIDTH), layout["height"]
        canvas = Figure((size[0] / _DOTS_AN_INCH, size[1] / _DOTS_AN_INCH), layout="constrained")
        FigureCanvasSVG(canvas)
        axes = canvas.add_subplot()
        for trace in figure["data"]:
            _TRACES[trace["type"]](axes, trace)
        if not any(trace["type"] == "parcoords" for trace in figure["data"]):
            _lines_across(axes, layout.get("shapes", ()))
            _lay_out(axes, layout)
        text = io.StringIO()
        canvas.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return Markup(_embeddable(text.getvalue(), name))  # made here, of escaped text


def _embeddable(text: str, name: str) -> str:
    """The SVG element alone, with the page's fonts and colours, and without identifiers that nothing refers to."""
    ElementTree.register_namespace("", _SVG[1:-1])
    root = ElementTree.fromstring(re.sub(r" font-family: [^;]*;", "", text))
    for parent in (root, *root.findall(f"{_SVG}defs")):
        for child in list(parent):
            if child.tag in (f"{_SVG}metadata", f"{_SVG}style"):  # a style here would be one of the whole page
                parent.remove(child)
    del root.attrib["width"], root.attrib["height"]
    root.attrib |= {"aria-hidden": "true", "stroke-linejoin": "round"}  # the figure's label speaks for it
    for element in root.iter():
        if link := element.attrib.pop(_LINK, None):
            element.set("href", link)
    values = " ".join(value for element in root.iter() for value in element.attrib.values())
    used = set(re.findall(r"#([\w-]+)", values)) & {element.get("id") for element in root.iter()}
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
        for attribute in _COORDINATES & element.attrib.keys():
            element.set(attribute, re.sub(r"(\d\.\d\d)\d+", r"\1", element.attrib[attribute]))
    result = ElementTree.tostring(root, encoding="unicode")
    for identifier in used:
        result = re.sub(rf'(id="|#){identifier}(?=[")])', rf"\g<1>{name}-{identifier}", result)
    for color, variable in _SCHEME.items():
        result = result.replace(color, variable)
    return result


# --- traces -------------------------------------------------------------------------------------------------------


def _scatter(axes: Axes, trace: dict[str, Any]) -> None:
    mode, opacity = trace.get("mode", "lines"), trace.get("marker", {}).get("opacity", 1)
    if "lines" in mode:
        line = trace["line"]
        style = "steps-post" if line.get("shape") == "hv" else "default"
        axes.plot(trace["x"], trace["y"], color=line["color"], linewidth=line.get("width", 2), drawstyle=style)
    if "markers" in mode:
        marker = trace.get("marker", {})
        color = marker.get("color") or trace["line"]["color"]
        area = marker.get("size", 6) ** 2 * 0.8
        axes.scatter(trace["x"], trace["y"], s=area, c=color, alpha=opacity, linewidths=0.5, edgecolors="white")


def _bar(axes: Axes, trace: dict[str, Any]) -> None:
    marker = trace["marker"]
    axes.bar(
        trace["x"], trace["y"], trace["width"], trace["base"],
        color=marker["color"], alpha=marker["opacity"], edgecolor="white", linewidth=0.6,
    )  # fmt: skip


def _parallel(axes: Axes, trace: dict[str, Any]) -> None:
    """An axis a dimension from 0 to 1, a line an experiment."""
    dimensions = trace["dimensions"]
    scaled = []
    for place, dimension in enumerate(dimensions):
        values, low, high = dimension["values"], min(dimension["values"]), max(dimension["values"])
        span = (high - low) or 1
        scaled.append([(value - low) / span if high > low else 0.5 for value in values])
        ticks = dimension.get("tickvals") or ([low, high] if high > low else [low])
        texts = dimension.get("ticktext") or [_plain(value) for value in ticks]
        axes.plot([place, place], [0, 1], color=_MUTED, linewidth=1)
        for value, text in zip(ticks, texts, strict=True):
            height = (value - low) / span if high > low else 0.5
            axes.text(place + 0.03, height, text, fontsize=9, color=_INK, va="center")
        axes.text(place, 1.08, dimension["label"], ha="center", fontsize=10)
    colors = trace["line"]["color"]
    low, span = min(colors), (max(colors) - min(colors)) or 1
    scale = LinearSegmentedColormap.from_list("page", [color for _, color in trace["line"]["colorscale"]])
    lines = [[(place, axis[index]) for place, axis in enumerate(scaled)] for index in range(len(colors))]
    shades = [scale((color - low) / span) for color in colors]
    axes.add_collection(LineCollection(lines, colors=shades, linewidths=1.2, alpha=0.7))
    axes.set(xlim=(-0.4, len(dimensions) - 0.6), ylim=(-0.06, 1.16))
    axes.set_axis_off()


_TRACES: dict[str, Callable[[Axes, dict[str, Any]], None]] = {
    "scatter": _scatter, "bar": _bar, "parcoords": _parallel,
}  # fmt: skip


# --- layout -------------------------------------------------------------------------------------------------------


def _lines_across(axes: Axes, shapes: Sequence[dict[str, Any]]) -> None:
    for shape in shapes:
        line = shape["line"]
        style = {"color": line["color"], "linewidth": line["width"], "linestyle": _DASHES[line["dash"]]}
        if shape["x0"] == shape["x1"]:
            axes.axvline(shape["x0"], **style)
        else:
            axes.axhline(shape["y0"], **style)


def _lay_out(axes: Axes, layout: dict[str, Any]) -> None:
    for key, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        settings = layout.get(f"{key}axis", {})
        axis.set_label_text(settings.get("title", {}).get("text", ""))
        logarithmic = settings.get("type") == "log"
        if logarithmic:
            axes.set(**{f"{key}scale": "log"})
            axis.set_minor_locator(NullLocator())
        if "tickvals" in settings:
            axis.set_ticks(settings["tickvals"], settings["ticktext"])
        else:
            percent = settings.get("tickformat", "").endswith("%")
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
            axis.set_major_formatter(FuncFormatter(_percent if percent else _plain))
        if "range" in settings:
            low, high = settings["range"]
            axes.set(**{f"{key}lim": (10**low, 10**high) if logarithmic else (low, high)})
        if settings.get("showgrid", True):
            axes.grid(axis=key, linewidth=1)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def _plain(value: float, position: int | None = None) -> str:
    """Without digits that say nothing; signature of a tick's formatter."""
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def _percent(share: float, position: int | None = None) -> str:
    return f"{_plain(100 * share)}%"
