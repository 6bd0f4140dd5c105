"""What all stages share: configuration, a resumable working directory, metrics, tracking, and errors as sentences."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from tinyformer.config.load import load_params
from tinyformer.config.root import Config
from tinyformer.errors import TinyFormerError
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import write_json
from tinyformer.tracking.metrics import write_metrics
from tinyformer.tracking.runs import Run, content_digest, start_run


@dataclass
class Stage:
    """A running stage: its configuration, its tracking run, and what it has logged."""

    name: str
    config: Config
    run: Run
    history: list[dict[str, float]] = field(default_factory=list)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Record one point of the live curves. A resumed stage may log a point again: the last one counts."""
        self.history = [point for point in self.history if point["epoch"] != step]
        self.history.append({"epoch": step, **metrics})
        self.run.log(metrics, step)

    def checkpoints(self, sections: Sequence[str], inputs: Sequence[Path]) -> Path:
        """A directory that lives until the stage is run on other settings or inputs: keyed by both.

        DVC deletes a stage's outputs before each run, so what a killed stage resumes from must lie elsewhere.
        """
        digest = hashlib.sha256()
        dump = self.config.model_dump(mode="json")
        digest.update(json.dumps({name: dump[name] for name in sections}, sort_keys=True).encode())
        for path in inputs:
            digest.update(content_digest(path).encode())
        directory = artifacts.WORK / self.name / digest.hexdigest()[:16]
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def write_history(self) -> None:
        """Write the training curve next to the metrics."""
        write_json(artifacts.history(self.name), sorted(self.history, key=lambda point: point["epoch"]))


def run_stage(name: str, body: Callable[[Stage], Mapping[str, Any]]) -> None:
    """Run ``body`` as the stage ``name`` in the current directory and exit.

    ``body`` returns the stage's metrics, which become its metrics file and the tracking run's summary.
    A problem the user can mend is printed as a sentence and ends with status 1.
    """
    try:
        config = load_params(artifacts.PARAMS)
        artifacts.OUTPUTS.mkdir(exist_ok=True)
        with start_run(
            config.tracking,
            experiment=config.experiment,
            stage=name,
            parameters=config.model_dump(mode="json"),
            directory=artifacts.WANDB,
        ) as run:
            metrics = dict(body(Stage(name, config, run)))
            write_metrics(artifacts.metrics(name), metrics)
            run.summarize(metrics)
    except TinyFormerError as error:
        _fail(error)
    except OSError as error:
        _fail(
            TinyFormerError(
                f"{error.filename or 'A file'}: {error.strerror}; make room or the path writable, then run again."
            )
        )


def _fail(error: TinyFormerError) -> None:
    """Print the problem on standard error and exit with status 1."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"[bold red]error:[/] {escape(str(error))}")
    sys.exit(1)
