# SPDX-License-Identifier: Apache-2.0
"""The page that says when, where and by what each stage of an experiment was computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyformer.report.page import write_page

_COLUMNS = {"command": "Command", "commit": "Commit", "machine": "Machine", "versions": "Versions"}


@dataclass(frozen=True)
class StageRecord:
    """One stage: how its result came here this time, and what is known of its computation (``date``, ``took``,
    ``command``, ``commit``, ``machine``, ``versions``); nothing where it was computed elsewhere."""

    stage: str
    way: str
    known: Mapping[str, str]


def write_provenance(records: Sequence[StageRecord], destination: Path) -> None:
    """Write the page; what is the same for all stages stands above the table."""
    values = {key: dict.fromkeys(r.known[key] for r in records if r.known.get(key)) for key in _COLUMNS}
    shared = [(_COLUMNS[key], next(iter(found))) for key, found in values.items() if len(found) == 1]
    columns = {key: _COLUMNS[key] for key, found in values.items() if len(found) > 1}
    write_page(
        "provenance.html.j2",
        destination,
        {},
        title="When and where it was computed",
        records=records,
        shared=shared,
        columns=columns,
    )
