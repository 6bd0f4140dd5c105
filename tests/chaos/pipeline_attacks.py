# SPDX-License-Identifier: Apache-2.0
"""Attacks on the whole pipeline. After each, the ordinary command must come to the bytes of a run in peace."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psutil

from tests.chaos.commands import Ended, FoundFaultError, Tinyformer, attacked, end_of
from tests.pipeline.conftest import TINY
from tests.pipeline.project import Project

_MANY_KILLS = 4


@dataclass
class Peace:
    """A project whose pipeline nobody disturbed."""

    directory: Path

    @cached_property
    def project(self) -> Project:
        """It runs when it is first asked for."""
        project = Project.create(self.directory)
        begin = time.monotonic()
        _repro(project).must_succeed()
        self._seconds = time.monotonic() - begin
        return project

    @property
    def seconds(self) -> float:
        """What the whole pipeline took."""
        _ = self.project
        return self._seconds

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of every output."""
        return self.project.digests()

    def copy(self, target: Path) -> Project:
        """The finished project again, at another place."""
        shutil.copytree(self.project.root, target, symlinks=True)
        return Project(target)


@dataclass(frozen=True)
class _Repro:
    ended: Ended

    def must_succeed(self) -> None:
        self.ended.in_good_order().must(self.ended.status == 0, "the ordinary command failed")


def kill_anywhere(peace: Peace, place: Path, rng: random.Random) -> str:
    """SIGKILL, to everything or to one process of it, several times at moments that nobody chose."""
    project = Project.create(place)
    kills = rng.randint(1, _MANY_KILLS)
    moments = []
    for _ in range(kills):
        seconds = rng.uniform(0.5, peace.seconds / kills)
        lone = rng.random() < 0.3
        if attacked(_start(project), _log(project), seconds, lambda main, lone=lone: _kill(main, lone, rng)) is None:
            break
        moments.append(f"{seconds:.1f} s{' (one process)' * lone}")
    _ends_as_in_peace(peace, project)
    return f"killed after {', '.join(moments) or 'its end'}"


def signalled(peace: Peace, place: Path, rng: random.Random) -> str:
    """A signal that asks for an end: it comes at once, in a sentence, and the next run goes on."""
    project = Project.create(place)
    number = rng.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    seconds = rng.uniform(2.0, peace.seconds)
    begin = time.monotonic()
    ended = attacked(_start(project), _log(project), seconds, lambda main: main.send_signal(number))
    if ended is not None:
        took = time.monotonic() - begin - seconds
        ended.must("Traceback" not in ended.output, "a traceback")
        ended.must(ended.status == 128 + number, f"not the status of {number.name}")
        ended.must(f"Ended by {number.name}" in ended.output, f"{number.name} without a sentence")
        ended.must(took < 30.0, f"{number.name} took {took:.0f} s")
    _ends_as_in_peace(peace, project)
    return f"{number.name} after {seconds:.1f} s"


def full_disk(peace: Peace, place: Path, rng: random.Random) -> str:
    """Files beyond some size cannot be written; with room again, the pipeline goes on."""
    project = Project.create(place)
    largest = int(10 ** rng.uniform(2.5, 6.0))
    end_of(_start(project, largest), _log(project)).in_good_order()
    _ends_as_in_peace(peace, project)
    return f"no file above {largest:,} bytes"


def damaged_output(peace: Peace, place: Path, rng: random.Random) -> str:
    """Files of a finished project damaged or gone: it heals, or says what to do, and nothing else is lost."""
    project = peace.copy(place)
    files = sorted(path for path in _own_files(project.root) if path.is_file() and not path.is_symlink())
    said = []
    with _kept(chosen := rng.sample(files, rng.randint(1, 3))):
        for path in chosen:
            said.append(f"{path.relative_to(project.root)} {_damage(path, rng)}")
        _run(project).in_good_order()
    _ends_as_in_peace(peace, project)
    return ", ".join(said)


def two_at_once(peace: Peace, place: Path, rng: random.Random) -> str:
    """A second experiment in the same directory is refused and disturbs nothing."""
    project = Project.create(place)
    first = _start(project)
    try:
        _wait_for_lock(project, first)
        time.sleep(rng.uniform(0.0, peace.seconds / 2))
        if first.poll() is None:
            second = _tinyformer(project).run(["repro", *TINY, "seed=5"], _log(project, "second"))
            second.in_good_order().must(
                second.status != 0 or first.poll() is not None, "a second experiment was let in beside the first"
            )
            second.must(second.status == 0 or "is in use by" in second.output, "the refusal does not name the holder")
    finally:
        ended = end_of(first, _log(project))
    ended.in_good_order().must(ended.status == 0, "the first experiment failed")
    _ends_as_in_peace(peace, project)
    return "refused"


ATTACKS: dict[str, Callable[[Peace, Path, random.Random], str]] = {
    "kill": kill_anywhere,
    "signal": signalled,
    "full disk": full_disk,
    "damaged files": damaged_output,
    "two at once": two_at_once,
}


def _ends_as_in_peace(peace: Peace, project: Project) -> None:
    _repro(project).must_succeed()
    different = sorted(name for name, digest in peace.digests.items() if project.digests().get(name) != digest)
    if different:
        raise FoundFaultError(f"other bytes than in peace: {', '.join(different)} (in {project.root})")


def _kill(main: psutil.Process, lone: bool, rng: random.Random) -> None:
    tree = [main, *main.children(recursive=True)]
    for process in [rng.choice(tree)] if lone else tree:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def _damage(path: Path, rng: random.Random) -> str:
    kind = rng.choice(["deleted", "emptied", "cut", "flipped", "replaced by rubbish"])
    path.chmod(0o644)  # DVC write-protects what it links
    content = path.read_bytes()
    path.unlink()  # never through a link into the cache, which holds the whole copy
    if kind == "deleted":
        return kind
    if kind == "emptied" or not content:
        path.write_bytes(b"")
    elif kind == "cut":
        path.write_bytes(content[: rng.randrange(len(content))])
    elif kind == "flipped":
        position = rng.randrange(len(content))
        path.write_bytes(
            content[:position] + bytes([content[position] ^ 1 << rng.randrange(8)]) + content[position + 1 :]
        )
    else:
        path.write_bytes(rng.randbytes(min(len(content), 1 << 16)))
    return kind


@contextmanager
def _kept(paths: list[Path]) -> Iterator[None]:
    """Put ``paths`` back as they were: what a user does after a refusal."""
    contents = {path: path.read_bytes() for path in paths}
    yield
    for path, content in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content)


def _own_files(root: Path) -> Iterator[Path]:
    """What the pipeline has made: outputs, prepared data, lock file, parameters."""
    for name in ("outputs", "data"):
        yield from (root / name).rglob("*")
    yield from (root / name for name in ("dvc.lock", "params.yaml") if (root / name).exists())


def _wait_for_lock(project: Project, process: subprocess.Popen[bytes]) -> None:
    while not (project.root / "params.yaml").exists() and process.poll() is None:
        time.sleep(0.1)


def _tinyformer(project: Project) -> Tinyformer:
    return Tinyformer(project.root, project.environment())


def _start(project: Project, largest_file: int | None = None) -> subprocess.Popen[bytes]:
    return _tinyformer(project).start(["repro", *TINY], _log(project), largest_file)


def _run(project: Project) -> Ended:
    return _tinyformer(project).run(["repro", *TINY], _log(project))


def _repro(project: Project) -> _Repro:
    return _Repro(_run(project))


def _log(project: Project, name: str = "chaos") -> Path:
    return project.root.with_name(f"{project.root.name}.{name}.log")
