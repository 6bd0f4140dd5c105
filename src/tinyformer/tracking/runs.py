# SPDX-License-Identifier: Apache-2.0
"""One Weights & Biases run per executed stage.

Tracking observes and never decides: whatever goes wrong in it becomes one warning, and the stage's own result stands.
The one exception is ``tracking.unreachable: stop``, which raises before the stage begins.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tinyformer.config.tracking import TrackingConfig
from tinyformer.errors import TinyFormerError
from tinyformer.keys import content_digest
from tinyformer.tracking import connection
from tinyformer.tracking.reader import read_run

_LOG = logging.getLogger(__name__)
_WRITE_SECONDS = 3.0


class Run:
    """A run in progress; every method is safe to call whatever the mode and the state of disk and network."""

    def __init__(self, stage: str, backend: Any | None) -> None:
        """``backend`` is the wandb run; None records nothing."""
        self._stage = stage
        self._backend = backend

    @property
    def id(self) -> str | None:
        """Id of the run; None where nothing is recorded."""
        return self._backend.id if self._backend is not None else None

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Add one point to the curves; steps must not decrease."""
        self._attempt(lambda backend: backend.log(dict(metrics), step=step))

    def summarize(self, metrics: Mapping[str, Any]) -> None:
        """Set headline figures."""
        self._attempt(lambda backend: backend.summary.update(dict(metrics)))

    def add_artifact(self, path: Path, name: str, type: str) -> None:
        """Record the file or directory ``path`` as made by this run; its contents are copied, so later changes do no
        harm."""
        self._attempt(lambda backend: self._record(backend, "outputs", path, name, type))

    def use_artifact(self, path: Path, name: str, type: str) -> None:
        """Record the file or directory ``path`` as read by this run.

        Offline, wandb cannot link artifacts; the sha256 in the run's config (``artifacts.inputs``,
        ``artifacts.outputs``) does.
        """
        self._attempt(lambda backend: self._record(backend, "inputs", path, name, type))

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Record a table, which W&B shows and compares across runs."""

        def log(backend: Any) -> None:
            import wandb  # noqa: PLC0415

            table = wandb.Table(columns=list(columns), data=[list(row) for row in rows], allow_mixed_types=True)
            backend.log({name: table})

        self._attempt(log)

    def log_html(self, name: str, path: Path) -> None:
        """Record a self-contained page, which W&B shows."""

        def log(backend: Any) -> None:
            import wandb  # noqa: PLC0415

            backend.log({name: wandb.Html(path.read_text("utf-8"), inject=False)})

        self._attempt(log)

    def finish(self, *, failed: bool = False) -> None:
        """End the run; a recording that is not complete on disk is reported."""
        backend = self._backend
        self._attempt(lambda backend: backend.finish(exit_code=int(failed)))
        self._backend = None
        if backend is not None and backend.offline:
            recording = Path(backend.settings.sync_dir)
            if not _becomes_complete(recording):
                _warn(self._stage, f"the recording in {recording} is incomplete; is the disk full?")

    def _record(self, backend: Any, role: str, path: Path, name: str, type: str) -> None:
        import wandb  # noqa: PLC0415

        entry = {name: {"type": type, "sha256": content_digest(path)}}
        known = backend.config.get("artifacts", {})
        backend.config.update({"artifacts": {**known, role: {**known.get(role, {}), **entry}}}, allow_val_change=True)
        if role == "inputs" and backend.offline:
            return
        artifact = wandb.Artifact(re.sub(r"[^A-Za-z0-9_.-]", "-", name), type)
        for file, relative in _files(path):
            artifact.add_file(str(file), relative, skip_cache=True)
        if role == "inputs":
            backend.use_artifact(artifact)
        else:
            backend.log_artifact(artifact)

    def _attempt(self, action: Callable[[Any], Any]) -> None:
        if self._backend is None:
            return
        try:
            action(self._backend)
        except Exception as error:  # whatever wandb, the disk or the network come up with
            _warn(self._stage, error)


def _becomes_complete(recording: Path) -> bool:
    """Whether the end of the run reaches the disk; the writing process may lag behind ``finish`` by a moment."""
    deadline = time.monotonic() + _WRITE_SECONDS
    while True:
        try:
            if read_run(recording).complete:
                return True
        except Exception as error:  # unreadable counts as incomplete
            _LOG.debug("%s: %s", recording, error)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)


@contextmanager
def start_run(
    config: TrackingConfig,
    *,
    experiment: str,
    stage: str,
    parameters: Mapping[str, Any],
    directory: Path,
    run_id: str | None = None,
    name: str | None = None,
    tags: Sequence[str] = (),
) -> Iterator[Run]:
    """A run for the duration of a ``with`` block; it is marked failed where the block raises.

    Group is ``config.group`` or ``experiment``, job type is ``stage``, the run's config is ``parameters``. Files go to
    ``directory``, artifact staging included. ``run_id`` makes the run replaceable: publishing again under the same id
    continues it; ``name`` and ``tags`` describe it to people. Raises TinyFormerError where an online run is impossible
    and ``config.unreachable`` says to stop.
    """
    with _files_kept_in(directory):
        run = Run(stage, _open(config, _Description(experiment, stage, parameters, directory, run_id, name, tags)))
        try:
            yield run
        except BaseException:
            run.finish(failed=True)
            raise
        run.finish()


def _files(path: Path) -> list[tuple[Path, str]]:
    """The file itself, or all files of a directory, with the names they get in an artifact."""
    if not path.is_dir():
        return [(path, path.name)]
    return [(file, file.relative_to(path).as_posix()) for file in sorted(path.rglob("*")) if file.is_file()]


@dataclass(frozen=True)
class _Description:
    """The arguments of :func:`start_run` that describe the run."""

    experiment: str
    stage: str
    parameters: Mapping[str, Any]
    directory: Path
    run_id: str | None
    name: str | None
    tags: Sequence[str]


def _open(config: TrackingConfig, description: _Description) -> Any | None:
    """The wandb run, or None (with a warning) where it cannot be had."""
    if config.mode == "disabled":
        return None
    try:
        _see_that_files_can_be_written(description.directory)
        if config.mode == "offline":
            return _init(config, "offline", description)
        reason = connection.obstacle(config.timeout_s)
        if reason is None:
            try:
                return _init(config, "online", description)
            except Exception as error:  # a refused key, a server that stops answering, ...
                reason = f"{connection.server()} refused the run ({error})"
                connection.give_up()
        if config.unreachable == "stop":
            raise TinyFormerError(
                f"tracking.mode is online but {reason}; mend that, or set tracking=offline or "
                "tracking.unreachable=offline."
            )
        _LOG.warning(
            "Stage %s is tracked offline because %s; upload it later with `wandb sync`.", description.stage, reason
        )
        return _init(config, "offline", description)
    except TinyFormerError:
        raise
    except Exception as error:  # whatever wandb or the disk come up with
        _warn(description.stage, error)
        return None


def _see_that_files_can_be_written(directory: Path) -> None:
    """Raise ``OSError`` where they cannot; wandb itself would move to another directory without a word."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=directory) as file:
        file.write(b"\0")


@contextmanager
def _files_kept_in(directory: Path) -> Iterator[None]:
    """Artifact staging and cache inside ``directory`` instead of the user's home, unless the user said otherwise."""
    places = {"WANDB_DATA_DIR": directory / "staging", "WANDB_CACHE_DIR": directory / "cache"}
    added = {name: str(path.resolve()) for name, path in places.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _init(config: TrackingConfig, mode: Literal["offline", "online"], description: _Description) -> Any:
    import wandb  # noqa: PLC0415  (slow to import, and not needed where tracking is disabled)

    settings = wandb.Settings(
        silent=True,
        console="off",
        disable_code=True,
        x_disable_stats=mode == "offline",
        init_timeout=config.timeout_s,
        finish_timeout=config.timeout_s,
    )
    directory = description.directory
    return wandb.init(
        project=config.project,
        entity=config.entity,
        group=config.group or description.experiment,
        job_type=description.stage,
        name=description.name or f"{description.experiment} {description.stage}",
        tags=list(dict.fromkeys([*config.tags, *description.tags])) or None,
        config=dict(description.parameters),
        id=description.run_id,
        resume="allow" if description.run_id and mode == "online" else None,
        # wandb adds a folder `wandb` to the directory it is given: a directory of that name is used as it is
        dir=str(directory.parent if directory.name == "wandb" else directory),
        mode=mode,
        reinit="create_new",  # otherwise a second run in one process would silently be the first
        settings=settings,
    )


def _warn(stage: str, problem: object) -> None:
    _LOG.warning("Tracking of stage %s failed, its results are not affected: %s", stage, problem)
