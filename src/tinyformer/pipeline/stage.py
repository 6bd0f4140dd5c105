# SPDX-License-Identifier: Apache-2.0
"""What all stages share: configuration, a resumable working directory, metrics, tracking, and errors as sentences."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from tinyformer.config.load import load_params
from tinyformer.config.root import Config
from tinyformer.errors import TinyFormerError
from tinyformer.locks import hold
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import write_json, write_metrics
from tinyformer.pipeline.stage_key import stage_key
from tinyformer.signals import Interrupted, raised_as_interrupted
from tinyformer.tracking.runs import Run, start_run


@dataclass
class Stage:
    """A running stage: its configuration, its tracking run, and what it has logged."""

    name: str
    config: Config
    run: Run
    history: list[dict[str, float]] = field(default_factory=list)
    _checkpoints: Path | None = None

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Record one point of the live curves. A resumed stage may log a point again: the last one counts."""
        self.history = [point for point in self.history if point["epoch"] != step]
        self.history.append({"epoch": step, **metrics})
        self.run.log(metrics, step)

    def checkpoints(self) -> Path:
        """The directory of what a killed run of this stage resumes from; it is named by the stage's key.

        DVC deletes a stage's outputs before each run, so it lies elsewhere. It goes away with :meth:`finish`.
        """
        if self._checkpoints is None:
            self._checkpoints = artifacts.WORK / self.name / stage_key(self.name, self.config)[:16]
            self._checkpoints.mkdir(parents=True, exist_ok=True)
        return self._checkpoints

    def finish(self) -> None:
        """Forget the checkpoints: all results are written, and nothing may be resumed that has ended."""
        if self._checkpoints is not None:
            shutil.rmtree(self._checkpoints, ignore_errors=True)

    def write_history(self) -> None:
        """Write the training curve next to the metrics: what an epoch has not measured is null (DVC's plots ask for
        the same keys in each)."""
        keys = dict.fromkeys(key for point in self.history for key in point)
        points = sorted(self.history, key=lambda point: point["epoch"])
        write_json(artifacts.history(self.name), [{key: point.get(key) for key in keys} for point in points])


def run_stage(name: str, body: Callable[[Stage], Mapping[str, Any]]) -> None:
    """Run ``body`` as the stage ``name`` in the current directory and exit.

    ``body`` returns the stage's metrics, which become its metrics file and the tracking run's summary.
    A problem the user can mend is printed as a sentence and ends with status 1; Ctrl-C and the like end with 128 + the
    signal's number, as does the end of the process that has started the stage.
    """
    with stage_process(name):
        _run(name, body)


@contextmanager
def stage_process(name: str) -> Iterator[None]:
    """What ends a stage ends it properly: problems as sentences, signals as such; nobody else writes params.yaml."""
    try:
        with raised_as_interrupted(), hold(artifacts.STAGE_LOCK, f"stage {name}", shared=True):
            yield
    except Interrupted as interruption:
        _print(f"{name}: ended by {interruption.signal.name}; run the same command to go on.")
        sys.exit(interruption.code)
    except TinyFormerError as error:
        _fail(error)
    except OSError as error:
        _fail(
            TinyFormerError(
                f"{error.filename or 'A file'}: {error.strerror}; make room or the path writable, then run again."
            )
        )


def _run(name: str, body: Callable[[Stage], Mapping[str, Any]]) -> None:
    config = load_params(artifacts.PARAMS)
    _import_hook(config.network.hook)
    artifacts.OUTPUTS.mkdir(exist_ok=True)
    with start_run(
        config.tracking,
        experiment=config.experiment,
        stage=name,
        parameters=config.model_dump(mode="json"),
        directory=artifacts.recordings(),
    ) as run:
        stage = Stage(name, config, run)
        metrics = dict(body(stage))
        write_metrics(artifacts.metrics(name), metrics)
        stage.finish()
        run.summarize(metrics)


def _import_hook(name: str | None) -> None:
    """Import the module that makes kinds of blocks of one's own known, looked for in the current directory, too."""
    if name is None:
        return
    sys.path.insert(0, str(Path.cwd()))
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise TinyFormerError(f"network.hook names a module that cannot be imported: {error}.") from error


def _fail(error: TinyFormerError) -> None:
    """Print the problem on standard error and exit with status 1."""
    _print(f"[bold red]error:[/] {escape(str(error))}")
    sys.exit(1)


def _print(line: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(line)
