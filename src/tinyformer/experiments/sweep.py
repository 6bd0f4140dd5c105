# SPDX-License-Identifier: Apache-2.0
"""A sweep: many experiments from one line of overrides, each in a directory of its own, with one cache."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinyformer.config.compose import Composition, compose
from tinyformer.config.multirun import Line, Words, expand, parse
from tinyformer.errors import TinyFormerError
from tinyformer.experiments.launcher import command
from tinyformer.experiments.point import STATUS, Workshop, dvc_cache, failure, is_finished, point_name
from tinyformer.experiments.requirements import check_requirements
from tinyformer.experiments.single import environment, prepare_dvc
from tinyformer.experiments.status import Progress, read_status
from tinyformer.files import make_directory
from tinyformer.locks import LockHeldError, hold
from tinyformer.pipeline import artifacts
from tinyformer.signals import run_tree

LOG = "sweep.log"


@dataclass
class Point:
    """One experiment of a sweep."""

    name: str
    """Of its directory: the overrides that tell it from the others."""
    line: Line
    composition: Composition
    directory: Path
    finished_before: bool = False
    _began: float = field(default=0.0)

    def progress(self) -> Progress:
        """How far it is."""
        return read_status(self.directory / STATUS)

    def reason(self) -> str:
        """Why it failed."""
        return failure(self.directory) or self.progress().error


@dataclass
class Sweep:
    """Points that run, or have run, in directories below one."""

    name: str
    workshop: Workshop
    words: Words
    keys: Line
    points: list[Point] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        """Where its points lie."""
        return self.workshop.directory

    @property
    def log(self) -> Path:
        """What Hydra and its launcher print."""
        return self.directory / LOG

    def add(self, line: Line) -> Point:
        """The point of the overrides ``line``, composed and validated.

        Raises:
            TinyFormerError: its configuration is wrong, or needs what this machine lacks.
        """
        composition = compose(self.workshop.root / "conf", line)
        if not any("slurm" in word for word in self.words.hydra):  # there, other machines compute
            check_requirements(composition.config)
        name = point_name(line, self.keys)
        point = Point(name, line, composition, self.directory / name)
        point.finished_before = is_finished(self.workshop, name, composition)
        self.points.append(point)
        return point

    def failed(self) -> list[Point]:
        """Points without a result."""
        return [point for point in self.points if point.progress().state != "done" and not point.finished_before]

    def run(self, points: Sequence[Point], until: str | None, force: bool, watch: Callable[[], None]) -> None:
        """Run those of ``points`` that are not finished; ``watch`` is called twice a second.

        Raises:
            TinyFormerError: the same sweep runs already, or the launcher does not start.
            Interrupted: a signal came; all points have ended.
        """
        missing = [point for point in points if force or not point.finished_before]
        if not missing:
            return
        make_directory(self.directory)
        for point in missing:
            point.finished_before = False
            (point.directory / STATUS).unlink(missing_ok=True)
        try:
            with hold(self.directory / "lock", f"sweep {self.name}"), self.log.open("ab") as log:
                lines = [point.line for point in missing]
                words = command(self.workshop, lines, self.words.hydra, self.keys, until, force)
                status = run_tree(words, self.workshop.root, environment(), log, watch)
        except LockHeldError as error:
            raise TinyFormerError(
                f"{self.directory} is in use by {error.holder or 'another process'}; wait for it, or give this sweep "
                "another --name."
            ) from None
        if status and not any(point.progress().began for point in missing):
            raise TinyFormerError(f"The launcher did not start: {_last_line(self.log)} (see {self.log}).")


def open_sweep(root: Path, overrides: Sequence[str], experiment: str | None, name: str | None) -> Sweep:
    """The sweep of ``overrides`` (Hydra's: ``mcu=a,b``), still without points.

    Raises:
        TinyFormerError: a word is no override, or the name is none for a directory.
    """
    given = [f"experiment={experiment}", *overrides] if experiment else list(overrides)
    words = parse(root / "conf", given)
    if name is None:
        name = _default_name(words)
    if not re.fullmatch(r"[\w.,+@=-]+", name):
        raise TinyFormerError(f"--name is '{name}': use letters, digits, '-', '_' and '.'.")
    if not any(word.key_or_group == "tracking.group" for word in words.task):
        words = parse(root / "conf", [*given, f"tracking.group={name}"])
    prepare_dvc(root)
    directory = root / artifacts.OUTPUTS / "sweeps" / name
    return Sweep(name, Workshop(root, directory, dvc_cache(root)), words, words.keys())


def plan(root: Path, overrides: Sequence[str], experiment: str | None, name: str | None) -> Sweep:
    """Compose and validate every point of ``overrides`` before the first one runs.

    Raises:
        TinyFormerError: the configuration of a point is wrong.
    """
    sweep = open_sweep(root, overrides, experiment, name)
    for line in expand(sweep.words):
        sweep.add(line)
    return sweep


def _default_name(words: Words) -> str:
    """The recipe and what varies: the same command finds the same sweep again."""
    recipe = next((word.get_value_string() for word in words.task if word.key_or_group == "experiment"), "quickstart")
    keys = words.keys()
    varied = [key.replace("/", "-") for key in keys if key != "experiment"]
    return "-".join(["experiments" if "experiment" in keys else recipe, *varied])


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip().rstrip(".") for line in reversed(lines) if line.strip()), "")
