# SPDX-License-Identifier: Apache-2.0
"""Finished experiments on the disk: in a project, below a sweep's directory, or as single summaries."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinyformer.budget import Budget
from tinyformer.config.load import load_params
from tinyformer.errors import TinyFormerError
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import damaged, read_json, read_yaml
from tinyformer.report.experiment import Experiment, flatten

SWEEPS = artifacts.OUTPUTS / "sweeps"


def collect(places: Sequence[Path], page: Path | None = None) -> list[Experiment]:
    """The finished experiments of ``places``: directories of experiments or sweeps, names of sweeps, summary.json.

    Links to reports are seen from the directory of ``page``.

    Raises:
        TinyFormerError: a place holds no finished experiment, or a file is damaged.
    """
    found = [path for place in places for path in _experiments(place)]
    names = _names(found)
    return [_read(path, name, page) for path, name in zip(found, names, strict=True)]


def _experiments(place: Path) -> list[Path]:
    """Summaries of the experiments at ``place``, in the order of their names."""
    if place.is_file():
        return [place]
    for directory in (place, SWEEPS / place):
        for name in (artifacts.SUMMARY, Path(artifacts.SUMMARY.name)):
            if (directory / name).is_file():
                return [directory / name]
        if found := sorted(directory.glob(f"*/{artifacts.SUMMARY}")):
            return found
    raise TinyFormerError(
        f"{place} holds no finished experiment; name a directory below {SWEEPS}, an experiment's directory or its "
        f"{artifacts.SUMMARY.name}."
    )


def _names(summaries: Sequence[Path]) -> list[str]:
    """The directories' own names where these tell the experiments apart, else their paths."""
    directories = [_root(path) for path in summaries]
    short = [directory.resolve().name for directory in directories]
    return short if len(set(short)) == len(short) else [str(directory) for directory in directories]


def _root(summary: Path) -> Path:
    return summary.parent.parent if summary.parent.name == artifacts.OUTPUTS.name else summary.parent


def _read(summary: Path, name: str, page: Path | None) -> Experiment:
    root = _root(summary)
    parameters = root / artifacts.PARAMS
    if not parameters.is_file():
        about = {key: value for key, value in read_json(summary).items() if key in ("experiment", "dataset", "seed")}
        return Experiment(name, read_json(summary), about)
    settings = read_yaml(parameters, ended=False)
    if not isinstance(settings, dict):
        raise damaged(parameters)
    report = root / artifacts.REPORT / "index.html"
    layers = root / artifacts.DEPLOY / "layers.json"
    return Experiment(
        name=name,
        summary=read_json(summary),
        settings=dict(flatten(settings)),
        limits=_limits(parameters, settings),
        layers=read_json(layers) if layers.is_file() else (),
        report=_link(report, page) if page is not None and report.is_file() else None,
    )


def _limits(parameters: Path, settings: dict[str, Any]) -> dict[str, float]:
    """Its budgets; those that are written down where an older version has made the file."""
    try:
        config = load_params(parameters)
    except TinyFormerError:
        return {key: value for key, value in settings.get("limits", {}).items() if value is not None}
    return dict(Budget.of(config.limits, config.mcu).limits)


def _link(report: Path, page: Path) -> str:
    return Path(os.path.relpath(report.resolve(), page.resolve().parent)).as_posix()
