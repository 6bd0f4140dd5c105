# SPDX-License-Identifier: Apache-2.0
"""An adaptive sweep: each batch of points is proposed by what the points before came to (Optuna's TPE, after Ozaki et
al., "Multiobjective Tree-Structured Parzen Estimator", 2022).

The study holds results only, in an SQLite file of the sweep. What a batch proposes follows from them and from a seed,
so that a killed sweep proposes the same batch again, whose points resume in their directories.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tinyformer.config.dimensions import Dimension, Interval, dimensions, line
from tinyformer.errors import TinyFormerError
from tinyformer.experiments.sweep import Point, Sweep
from tinyformer.files import make_directory
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import read_json
from tinyformer.report.headline import METRICS

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

OBJECTIVES = {metric.key: "maximize" if metric.better == "high" else "minimize" for metric in METRICS if metric.better}
"""Figures of a summary that may be asked for, and the direction in which they are better."""

STUDY = "study.db"
_STARTUP_TRIALS = 10
_DRAWS = 50


@dataclass(frozen=True)
class Adaptive:
    """How to search: for what, how long, how many at once."""

    trials: int
    batch: int
    """Points that are proposed together, for a launcher that runs them side by side."""
    objectives: tuple[str, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        """Check.

        Raises:
            TinyFormerError: an objective is unknown or named twice, or a number is below 1.
        """
        if self.trials < 1 or self.batch < 1:
            raise TinyFormerError(f"--trials {self.trials} --batch {self.batch}: both are at least 1.")
        unknown = [name for name in self.objectives if name not in OBJECTIVES]
        if unknown or not self.objectives or len(set(self.objectives)) < len(self.objectives):
            raise TinyFormerError(
                f"--objectives {','.join(self.objectives)}: name each of {', '.join(OBJECTIVES)} at most once."
            )


class AdaptiveSweep:
    """A sweep whose points an optimizer proposes."""

    def __init__(self, sweep: Sweep, adaptive: Adaptive) -> None:
        """``sweep`` has no points yet; those of its study that are finished are added.

        Raises:
            TinyFormerError: nothing varies, or the study's file is damaged.
        """
        self._sweep, self._adaptive = sweep, adaptive
        self._fixed, self._dimensions = dimensions(sweep.words)
        self._distributions = {dimension.key: _distribution(dimension) for dimension in self._dimensions}
        self._study = self._open()

    @property
    def finished(self) -> int:
        """Trials with an outcome."""
        return len(self._study.trials)

    def run(self, force: bool, watch: Callable[[], None]) -> None:
        """Propose and run batches until there are enough trials, or nothing new to propose.

        Raises:
            TinyFormerError: the configuration of a point is wrong, or its launcher does not start.
            Interrupted: a signal came; all points have ended.
        """
        while (left := self._adaptive.trials - self.finished) > 0:
            proposals = self._propose(min(left, self._adaptive.batch))
            if not proposals:
                return
            points = [self._sweep.add(self._line(parameters)) for parameters in proposals]
            self._sweep.run(points, None, force, watch)
            self._study.add_trials([self._outcome(p, point) for p, point in zip(proposals, points, strict=True)])

    def best(self) -> list[Point]:
        """The points that no other is better than in every objective."""
        lines = [self._line(trial.params) for trial in self._study.best_trials]
        return [point for point in self._sweep.points if point.line in lines]

    def _open(self) -> Study:
        """The study of this space and these objectives; a new one where code or data have changed since."""
        import optuna  # noqa: PLC0415  (takes a second)

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        described = [self._fixed, [asdict(d) for d in self._dimensions], self._adaptive.objectives]
        name = hashlib.sha256(json.dumps(described).encode()).hexdigest()[:12]
        directions = [OBJECTIVES[objective] for objective in self._adaptive.objectives]
        make_directory(self._sweep.directory)
        path = self._sweep.directory / STUDY
        try:
            storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
            revision = sum(summary.study_name.startswith(name) for summary in storage.get_all_studies())
            if revision:
                study = optuna.load_study(study_name=f"{name}-{revision}", storage=storage)
                if self._holds(study):
                    return study
            return optuna.create_study(storage=storage, study_name=f"{name}-{revision + 1}", directions=directions)
        except Exception as error:  # SQLAlchemy's and Optuna's have no class in common
            raise TinyFormerError(
                f"{path} is damaged ({str(error).splitlines()[0]}); remove it: the points themselves are kept."
            ) from None

    def _holds(self, study: Study) -> bool:
        """Whether the points of ``study`` would come to the same again; they are added to the sweep if so."""
        added = [self._sweep.add(self._line(trial.params)) for trial in study.trials]
        done = [trial.values is not None for trial in study.trials]
        if all(point.finished_before for point, finished in zip(added, done, strict=True) if finished):
            return True
        self._sweep.points.clear()
        return False

    def _propose(self, count: int) -> list[dict[str, Any]]:
        """Up to ``count`` points that were not tried yet; fewer where the space holds no more."""
        import optuna  # noqa: PLC0415

        known = self._study.trials
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=_STARTUP_TRIALS, multivariate=True, constant_liar=True,
                seed=self._adaptive.seed + len(known),
            )  # fmt: skip
        scratch = optuna.create_study(directions=self._study.directions, sampler=sampler)
        scratch.add_trials(known)
        tried = [self._line(trial.params) for trial in known]
        found: list[dict[str, Any]] = []
        for _ in range(_DRAWS * count):
            parameters = scratch.ask(self._distributions).params
            proposal = self._line(parameters)
            if proposal not in tried:
                tried.append(proposal)
                found.append(parameters)
                if len(found) == count:
                    break
        return found

    def _line(self, parameters: dict[str, Any]) -> tuple[str, ...]:
        return line(self._fixed, {d.key: _text(d, parameters[d.key]) for d in self._dimensions})

    def _outcome(self, parameters: dict[str, Any], point: Point) -> FrozenTrial:
        from optuna.trial import TrialState, create_trial  # noqa: PLC0415

        values = None if point in self._sweep.failed() else _values(point, self._adaptive.objectives)
        return create_trial(
            state=TrialState.COMPLETE if values else TrialState.FAIL,
            params=parameters,
            distributions=self._distributions,
            values=values,
        )


def _values(point: Point, objectives: Sequence[str]) -> list[float] | None:
    """The point's figures; None where its summary lacks one."""
    summary = read_json(point.directory / artifacts.SUMMARY)
    found = [summary.get(objective) for objective in objectives]
    return None if None in found else [float(value) for value in found if value is not None]


def _distribution(dimension: Dimension) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: PLC0415

    values = dimension.values
    if isinstance(values, Interval):
        if values.whole:
            return IntDistribution(int(values.low), int(values.high), log=values.logarithmic)
        return FloatDistribution(values.low, values.high, log=values.logarithmic)
    return IntDistribution(0, len(values) - 1) if dimension.ordered else CategoricalDistribution(values)


def _text(dimension: Dimension, value: float | str) -> str:
    """The proposed ``value`` as it stands in an override; fractions with six digits, for directories bear it."""
    if isinstance(dimension.values, Interval):
        return str(value) if dimension.values.whole else f"{value:.6g}"
    return dimension.values[int(value)] if dimension.ordered else str(value)
