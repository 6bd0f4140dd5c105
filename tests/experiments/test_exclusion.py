# SPDX-License-Identifier: Apache-2.0
"""One experiment at a time in a directory, and none that lives on when it was told to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.pipeline.conftest import TINY
from tests.pipeline.project import Project

from tinyformer.locks import LockHeldError, hold, holder_of
from tinyformer.pipeline import artifacts
from tinyformer.signals import ENDING, Interrupted, raised_as_interrupted

pytestmark = pytest.mark.xdist_group("exclusion")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project.create(tmp_path_factory.mktemp("exclusion"))
    made.tinyformer("repro", *TINY, "--stage", "prepare")
    return made


@pytest.fixture
def heard() -> Iterator[None]:
    """No signal of :data:`ENDING` is ignored: shells let what they start in the background ignore some of them."""
    before = {number: signal.getsignal(number) for number in ENDING}
    ignored = [number for number, handler in before.items() if handler == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, before[number])


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lock"
    with hold(path, "experiment first"), pytest.raises(LockHeldError) as refused, hold(path, "second"):
        pass
    assert refused.value.holder is not None
    assert (refused.value.holder.what, refused.value.holder.pid) == ("experiment first", os.getpid())
    assert holder_of(path) is not None, "what is left in the file is no lock"
    with hold(path, "third"):
        assert getattr(holder_of(path), "what", None) == "third"


@pytest.mark.parametrize("lock", [artifacts.PROJECT_LOCK, artifacts.STAGE_LOCK])
@pytest.mark.parametrize("command", [("repro",), ("compose",)])
def test_a_second_experiment_is_refused_before_it_writes_parameters(
    project: Project, lock: Path, command: tuple[str, ...]
) -> None:
    before = (project.root / "params.yaml").read_bytes()
    with hold(project.root / lock, "experiment cifar10"):
        refused = project.tinyformer(*command, *TINY, "seed=77", ok=False)
    assert refused.returncode == 1
    assert f"experiment cifar10 (process {os.getpid()}, since 2" in refused.stderr
    assert "tinyformer repro -m" in refused.stderr and "Traceback" not in refused.stderr
    assert (project.root / "params.yaml").read_bytes() == before


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)]
)
def test_all_processes_end_and_the_next_run_goes_on(
    project: Project, number: signal.Signals, status: int, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tinyformer.cli", "repro", *TINY, "--stage", "profile_mcu"],
            cwd=project.root, env=project.environment(), stdout=output, stderr=output,
        )  # fmt: skip
    tree = _tree_with_stage(process, "tinyformer.pipeline.profile_mcu")
    process.send_signal(number)
    assert process.wait(30) == status
    _, alive = psutil.wait_procs(tree, timeout=10)
    assert [one.cmdline() for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
    text = log.read_text("utf-8")
    assert "Traceback" not in text
    assert (f"Ended by {number.name}" in text) == (number != signal.SIGKILL)
    with hold(project.root / artifacts.PROJECT_LOCK, "next"), hold(project.root / artifacts.STAGE_LOCK, "next"):
        pass


@pytest.mark.usefixtures("heard")
def test_a_second_signal_on_the_heels_of_the_first_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    with pytest.raises(Interrupted) as first, raised_as_interrupted():
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        for number in ENDING:
            os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)  # all have come before Python looks at one
        time.sleep(0.01)
    assert first.value.signal in ENDING
    assert complaints == []


def test_a_damaged_lock_file_has_the_remedy_that_is_right_for_it(project: Project) -> None:
    lock = project.root / "dvc.lock"
    whole = lock.read_bytes()
    for damage in (b"", b"schema: '2.0'\nstages: [", b"stages: 3\n"):
        lock.write_bytes(damage)
        failed = project.tinyformer("repro", *TINY, "--stage", "prepare", ok=False)
        assert "Traceback" not in failed.stderr
        assert failed.returncode == 0 or "dvc.lock is damaged; delete it" in failed.stderr, failed.stderr
    lock.write_bytes(whole)


def test_a_lock_of_dvc_that_a_kill_has_torn_is_no_obstacle(project: Project) -> None:
    lock = project.root / ".dvc/tmp/rwlock"
    for torn in (b"", b'{"outputs/model.onnx": {"wri'):
        lock.write_bytes(torn)
        project.tinyformer("repro", *TINY, "--stage", "prepare")


def test_a_disk_without_room_for_dvc_s_database_is_a_sentence(project: Project, tmp_path: Path) -> None:
    arguments = ["repro", *TINY, "--stage", "prepare", "seed=3"]
    site_cache = {"DVC_SITE_CACHE_DIR": str(tmp_path / "empty")}
    limited = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)); "
        f"sys.argv[1:] = {arguments!r}; runpy.run_module('tinyformer.cli', run_name='__main__')"
    )
    result = subprocess.run(
        [sys.executable, "-c", limited], cwd=project.root, env=project.environment() | site_cache,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "free some disk space" in result.stderr
    project.tinyformer("repro", *TINY, "--stage", "prepare")


def _tree_with_stage(process: subprocess.Popen[bytes], module: str) -> list[psutil.Process]:
    """The processes below ``process``, once the stage is one of them and has come to its work."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        tree = list(_living(psutil.Process(process.pid)))
        if any(module in line for _, line in tree):
            time.sleep(1.5)
            return [one for one, _ in tree]
        assert process.poll() is None, "it ended before it could be told to"
        time.sleep(0.05)
    raise AssertionError("the stage did not start")


def _living(root: psutil.Process) -> Iterator[tuple[psutil.Process, list[str]]]:
    for one in root.children(recursive=True):
        try:
            yield one, one.cmdline()
        except psutil.Error:
            continue
