# SPDX-License-Identifier: Apache-2.0
"""The summary run: one per experiment and configuration, with everything one compares experiments by."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyformer.config.tracking import TrackingConfig
from tinyformer.tracking.runs import start_run

JOB_TYPE = "summary"
_LONGEST_TAG = 64
"""W&B refuses longer ones."""


def summary_run_id(experiment: str, parameters: Mapping[str, Any]) -> str:
    """Id of the summary run: the same for the same experiment and configuration, on every machine.

    The sections ``tracking`` and ``runtime`` do not count: they change no result, and make no other experiment.
    """
    counted = {key: value for key, value in parameters.items() if key not in ("tracking", "runtime")}
    text = json.dumps(counted, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    slug = re.sub(r"[^a-z0-9]+", "-", experiment.lower()).strip("-")[:40]
    return f"{slug}-{digest}"


@dataclass(frozen=True)
class Table:
    """Rows of plain values under named columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @staticmethod
    def of(records: Sequence[Mapping[str, Any]]) -> Table:
        """From records; lists become words, and what one lacks is None."""
        columns = tuple(dict.fromkeys(key for record in records for key in record))
        plain = tuple(tuple(_cell(record.get(column)) for column in columns) for record in records)
        return Table(columns, plain)


def publish_summary(
    config: TrackingConfig,
    *,
    experiment: str,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, Any],
    directory: Path,
    overrides: Sequence[str] = (),
    inputs: Mapping[str, tuple[Path, str]] | None = None,
    artifacts: Mapping[str, tuple[Path, str]] | None = None,
    tables: Mapping[str, Table] | None = None,
    html: Mapping[str, Path] | None = None,
) -> str | None:
    """Record the summary run; its id, or None where nothing is recorded. It has all, whatever came from a cache.

    ``overrides`` tell the experiment from its recipe: they are in the run's name, and its tags. ``inputs`` and
    ``artifacts`` map names to (path, type) of what the experiment read and made; ``tables`` and pages of ``html`` are
    shown by W&B itself.
    """
    with start_run(
        config,
        experiment=experiment,
        stage=JOB_TYPE,
        parameters=parameters,
        directory=directory,
        run_id=summary_run_id(experiment, parameters),
        name=" ".join([experiment, *overrides]),
        tags=tuple(word[:_LONGEST_TAG] for word in overrides),
    ) as run:
        run.summarize(metrics)
        for name, (path, kind) in sorted((inputs or {}).items()):
            run.use_artifact(path, name, kind)
        for name, (path, kind) in (artifacts or {}).items():
            run.add_artifact(path, name, kind)
        for name, table in sorted((tables or {}).items()):
            run.log_table(name, table.columns, table.rows)
        for name, path in sorted((html or {}).items()):
            run.log_html(name, path)
        return run.id


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float | str | bool) else " x ".join(map(str, value))
