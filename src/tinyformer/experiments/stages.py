# SPDX-License-Identifier: Apache-2.0
"""The stages of one experiment, one after the other: ``python -m tinyformer.experiments.stages`` in its directory.

Each is DVC's to decide: up to date, restored from the cache, or run. A stage that several experiments with one cache
share is computed once, also when they run side by side: whoever comes first holds the lock of the stage's key, the
others wait for it and restore.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

from tinyformer.config.load import load_params
from tinyformer.config.root import Config
from tinyformer.errors import TinyFormerError
from tinyformer.experiments.durations import Durations, duration
from tinyformer.experiments.outcome import outcome
from tinyformer.experiments.provenance import Provenance
from tinyformer.experiments.status import Status
from tinyformer.locks import Holder, hold
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import read_yaml
from tinyformer.pipeline.stage_key import stage_key
from tinyformer.report.provenance import StageRecord, write_provenance
from tinyformer.signals import ENDING, Interrupted, disregard, end_with_parent, is_interruption

if TYPE_CHECKING:
    from dvc.repo import Repo

Way = Literal["up to date", "restored from the cache", "computed"]

_PATIENCE_SECONDS = 8.0


def command(until: str | None, force: bool, status: Path | None = None) -> list[str]:
    """The command line that runs the stages of the directory where it is started; see :func:`main`."""
    words = [sys.executable, "-m", "tinyformer.experiments.stages"]
    words += ["--until", until] if until else []
    words += ["--force"] if force else []
    return words + (["--status", str(status)] if status else [])


def run_stages(status: Status, until: str | None = None, force: bool = False) -> None:
    """Bring the experiment of the current directory up to date, up to the stage ``until``.

    Raises:
        TinyFormerError: a stage failed (it has said why), or the project is damaged.
    """
    config = load_params(artifacts.PARAMS)
    definition = read_yaml(artifacts.DEFINITION, ended=False)["stages"]
    looks = [name for name, stage in definition.items() if stage.get("always_changed")]
    names = [name for name in definition if name not in looks]
    with _dvc_errors_as_sentences():
        from dvc.repo import Repo  # noqa: PLC0415  (takes a second)

        repo = Repo()
        _drop_torn_lock(Path(repo.tmp_dir) / "rwlock")
        wanted = _with_ancestors(repo, until, names) if until else names
        durations = Durations(artifacts.WORK / "durations.json", config.experiment)
        records: list[StageRecord] = []
        for name in definition:
            if name in looks and (until is None or name == "inputs"):
                with _Way(lambda: None):
                    repo.reproduce(targets=[name], single_item=True)
            elif name in wanted:
                title = f"{names.index(name) + 1}/{len(names)} {name}"
                records.append(_run(repo, name, title, config, durations, status, force))
                status.advance()
    write_provenance(records, artifacts.PROVENANCE)


def _run(
    repo: Repo, name: str, title: str, config: Config, durations: Durations, status: Status, force: bool
) -> StageRecord:
    def wait(holder: Holder | None) -> None:
        status.set("waiting")
        _say(f"{title}: waiting for {holder or 'another process'}, which computes the same")

    def start() -> None:
        status.set("running")
        expected = durations.text(name)
        _say(f"{title}: running{expected and f' ({expected} last time)'}")

    status.begin(name)
    way = _Way(start)
    shared = _shared_place(repo, name, config)
    lock = shared and shared("locks")
    with hold(lock, f"stage {name}", on_wait=wait) if lock else nullcontext():
        begin = time.monotonic()
        with way:
            repo.reproduce(targets=[name], single_item=True, force=force)
    seconds = time.monotonic() - begin
    if way.way == "computed":
        durations.record(name, seconds)
        status.computed(name, seconds)
        _say(f"{title}: done in {seconds:.0f} s{outcome(name)}")
    else:
        _say(f"{title}: {way.way}{outcome(name) if way.way == 'restored from the cache' else ''}")
    return _record(name, way.way, shared and shared("provenance"), config, seconds)


def _record(name: str, way: Way, place: Path | None, config: Config, seconds: float) -> StageRecord:
    """What is known of the result's computation, which ``place`` keeps for all who restore it."""
    if place is None:
        return StageRecord(name, way, {})
    if way == "computed":
        Provenance.here(config, seconds).write(place)
    found = Provenance.read(place)
    return StageRecord(name, way, {**asdict(found), "took": duration(found.seconds)} if found else {})


def _drop_torn_lock(path: Path) -> None:
    """Remove DVC's list of who reads and writes what where a kill has torn it. Nobody but this process works in the
    directory, which the project's lock sees to."""
    with suppress(FileNotFoundError):
        try:
            json.loads(path.read_bytes())
        except ValueError:
            path.unlink()


def _shared_place(repo: Repo, name: str, config: Config) -> Callable[[str], Path] | None:
    """By its kind, the file that all who would compute the same share; None where an input is missing, which DVC will
    say better."""
    with suppress(TinyFormerError, OSError):
        key = stage_key(name, config)[:16]
        return lambda kind: Path(repo.cache.local_cache_dir) / kind / f"{name}-{key}"
    return None


def _with_ancestors(repo: Repo, name: str, names: list[str]) -> list[str]:
    from dvc.repo.reproduce import plan_repro  # noqa: PLC0415

    if name not in names:
        raise TinyFormerError(f"There is no stage '{name}'; choose one of {', '.join(names)}.")
    plan = {stage.name for stage in plan_repro(repo.index.graph, repo.stage.collect(name))}
    return [other for other in names if other in plan]


class _Way(logging.Handler):
    """How DVC has brought a stage up to date, from what it logs."""

    def __init__(self, on_start: Any) -> None:
        super().__init__()
        self.way: Way = "up to date"
        self._on_start = on_start

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of one line of the log; warnings are printed."""
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            print(message, file=sys.stderr, flush=True)
        elif message.startswith("Running stage"):
            self.way = "computed"
            self._on_start()
        elif "is cached - skipping run" in message:
            self.way = "restored from the cache"

    def __enter__(self) -> None:
        logger = logging.getLogger("dvc")
        logger.handlers[:] = [self]
        logger.setLevel(logging.INFO)
        logger.propagate = False

    def __exit__(self, *_: object) -> None:
        logging.getLogger("dvc").removeHandler(self)


@contextmanager
def _dvc_errors_as_sentences() -> Iterator[None]:
    """DVC's errors with the remedy that is right for each."""
    from dvc.dvcfile import LOCK_FILE  # noqa: PLC0415
    from dvc.exceptions import DvcException, NotDvcRepoError, ReproductionError  # noqa: PLC0415
    from dvc.stage.exceptions import StageCmdFailedError  # noqa: PLC0415
    from dvc.utils.strictyaml import YAMLValidationError  # noqa: PLC0415

    try:
        yield
    except NotDvcRepoError:
        raise TinyFormerError(
            "The directory .dvc is missing; restore it with `git restore .dvc`, or make it with `dvc init`."
        ) from None
    except YAMLValidationError as error:
        name = LOCK_FILE if LOCK_FILE in str(error) else artifacts.DEFINITION.name
        raise TinyFormerError(_damage(name)) from None
    except ReproductionError as error:
        cause = error.__cause__
        if isinstance(cause, StageCmdFailedError):
            found = re.search(r"exited with (-?\d+)", str(cause))
            if found and is_interruption(exit_status := int(found[1])):
                raise Interrupted(abs(exit_status) % 128) from None
            raise StageFailedError(str(error).split("'")[1]) from None
        if isinstance(cause, TinyFormerError):
            raise cause from None
        raise TinyFormerError(_sentence(cause or error)) from None
    except DvcException as error:
        raise TinyFormerError(_sentence(error)) from None
    except sqlite3.Error as error:
        raise TinyFormerError(
            f"DVC's database of file states fails ({error}): free some disk space. If there is enough, delete the "
            "directory that `dvc doctor` calls Repo.site_cache_dir; it is made again."
        ) from None


class StageFailedError(TinyFormerError):
    """A stage has ended with a status that is not 0, and has said why."""

    def __init__(self, stage: str) -> None:
        super().__init__(
            f"The pipeline stopped at {stage}; the message above says why. "
            "What was made is kept: run the same command to go on."
        )


def _damage(name: str) -> str:
    if name == artifacts.DEFINITION.name:
        return f"{name} is damaged; restore it with `git restore {name}`."
    return f"{name} is damaged; delete it and run again: what was made is found in the cache."


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if artifacts.LOCK.name in text and ("valid" in text or "corrupt" in text):
        return _damage(artifacts.LOCK.name)
    return f"DVC: {text.rstrip('.')}."


def _say(line: str) -> None:
    print(line, flush=True)


def _end_whole_group(number: int, frame: FrameType | None) -> None:
    """The signal goes to the stage, too, whoever was sent it."""
    disregard()
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), number)
    raise Interrupted(number)


def _wait_for_children() -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.05)


def main() -> int:
    """Run the stages; the exit status is 1 after a problem, which is printed as a sentence."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--until", help="the last stage")
    parser.add_argument("--force", action="store_true", help="run stages that are up to date, too")
    parser.add_argument("--status", type=Path, help="file that says how far the experiment is")
    arguments = parser.parse_args()
    end_with_parent()
    for number in ENDING:
        signal.signal(number, _end_whole_group)
    status = Status(arguments.status)
    try:
        run_stages(status, arguments.until, arguments.force)
    except TinyFormerError as error:
        status.set("failed", str(error))
        print(f"Error: {error}", file=sys.stderr, flush=True)
        return 1
    except Interrupted as interruption:
        _wait_for_children()
        status.set("interrupted")
        return int(interruption.code or 1)
    status.set("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
