# SPDX-License-Identifier: Apache-2.0
"""A sweep: many experiments from one line of overrides, each in a directory of its own, with one cache."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinyformer.config.compose import Composition, compose
from tinyformer.config.multirun import expand
from tinyformer.errors import TinyFormerError
from tinyformer.experiments.launcher import command
from tinyformer.experiments.point import STATUS, Workshop, dvc_cache, failure, is_finished, point_name
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
    """A sweep that is about to run, or has run."""

    name: str
    workshop: Workshop
    points: list[Point]
    words: list[str]
    keys: tuple[str, ...]

    @property
    def directory(self) -> Path:
        """Where its points lie."""
        return self.workshop.directory

    @property
    def log(self) -> Path:
        """What Hydra and its launcher print."""
        return self.directory / LOG

    def failed(self) -> list[Point]:
        """Points without a result."""
        return [point for point in self.points if point.progress().state != "done"]

    def run(self, until: str | None, force: bool, watch: Callable[[], None]) -> None:
        """Run what is not finished; ``watch`` is called twice a second.

        Raises:
            TinyFormerError: the same sweep runs already, or the launcher does not start.
            Interrupted: a signal came; all points have ended.
        """
        for point in self.points:
            if not point.finished_before:
                (point.directory / STATUS).unlink(missing_ok=True)
        if all(point.finished_before for point in self.points) and not force:
            return
        try:
            with hold(self.directory / "lock", f"sweep {self.name}"), self.log.open("ab") as log:
                words = command(self.workshop, self.words, self.keys, until, force)
                status = run_tree(words, self.workshop.root, environment(), log, watch)
        except LockHeldError as error:
            raise TinyFormerError(
                f"{self.directory} is in use by {error.holder or 'another process'}; wait for it, or give this sweep "
                "another --name."
            ) from None
        if status and not any(point.progress().began for point in self.points):
            raise TinyFormerError(f"The launcher did not start: {_last_line(self.log)} (see {self.log}).")


def plan(root: Path, overrides: Sequence[str], experiment: str | None, name: str | None) -> Sweep:
    """Compose and validate every point of ``overrides`` (Hydra's: ``mcu=a,b``) before the first one runs.

    Raises:
        TinyFormerError: the configuration of a point is wrong, or two points have the same name.
    """
    words = [f"experiment={experiment}", *overrides] if experiment else list(overrides)
    lines, keys = expand(root / "conf", words)
    if name is None:
        name = _default_name(lines[0], keys)
    if not re.fullmatch(r"[\w.,+@=-]+", name):
        raise TinyFormerError(f"--name is '{name}': use letters, digits, '-', '_' and '.'.")
    group = f"tracking.group={name}"
    if not any(word.lstrip("+~").startswith("tracking.group=") for word in words):
        words.append(group)
        lines = [(*line, group) for line in lines]
    compositions = [compose(root / "conf", line) for line in lines]
    prepare_dvc(root)
    directory = root / artifacts.OUTPUTS / "sweeps" / name
    make_directory(directory)
    workshop = Workshop(root, directory, dvc_cache(root))
    points = []
    for line, composition in zip(lines, compositions, strict=True):
        own = point_name(line, keys)
        point = Point(own, composition, directory / own)
        point.finished_before = is_finished(workshop, own, composition)
        points.append(point)
    return Sweep(name, workshop, points, words, keys)


def _default_name(line: Sequence[str], keys: Sequence[str]) -> str:
    """The recipe and what varies: the same command finds the same sweep again."""
    recipe = next((word.partition("=")[2] for word in line if word.startswith("experiment=")), "quickstart")
    varied = [key.replace("/", "-") for key in keys if key != "experiment"]
    return "-".join(
        [*([] if "experiment" in keys else [recipe]), *(["experiments"] if "experiment" in keys else []), *varied]
    )


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip().rstrip(".") for line in reversed(lines) if line.strip()), "")
