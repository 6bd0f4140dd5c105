# SPDX-License-Identifier: Apache-2.0
"""The templates of ``emit/templates``, and how they write values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tinyformer.engine.emit.c_text import array_rows, c_string

_ENVIRONMENT = Environment(
    loader=PackageLoader("tinyformer.engine.emit", "templates"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
)
_ENVIRONMENT.filters |= {"array_rows": array_rows, "c_string": c_string, "number": lambda value: f"{value:.9g}"}


def render(template: str, context: Mapping[str, Any]) -> str:
    """The text of ``template``. A name that ``context`` lacks is an error."""
    return _ENVIRONMENT.get_template(template).render(context)
