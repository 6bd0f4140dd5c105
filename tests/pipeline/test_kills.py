# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline killed at random moments, with everything it had started: it ends in the same bytes.

make test-slow ARGS=tests/pipeline/test_kills.py
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.pipeline.conftest import TINY
from tests.pipeline.project import Project

KILLS = 10


@pytest.mark.slow
@pytest.mark.xdist_group("pipeline")
def test_ten_kills_anywhere_end_in_the_same_bytes(tmp_path: Path) -> None:
    whole = Project.create(tmp_path / "whole")
    begin = time.monotonic()
    whole.tinyformer("repro", *TINY)
    duration = time.monotonic() - begin
    moments = random.Random(11)
    project, kills, projects = Project.create(tmp_path / "killed_0"), 0, 1
    while kills < KILLS:
        if _killed_after(project, moments.uniform(0.0, duration / 4)):
            kills += 1
        else:  # it ended before: the next kills meet it from the beginning
            assert project.digests() == whole.digests()
            project = Project.create(tmp_path / f"killed_{projects}")
            projects += 1
            assert projects < KILLS, "the pipeline ends faster than it can be killed"
    project.tinyformer("repro", *TINY)
    assert project.digests() == whole.digests()


def _killed_after(project: Project, seconds: float) -> bool:
    """Whether the pipeline, started, still ran after ``seconds``; then it was killed, stages, workers and all."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tinyformer.cli", "repro", *TINY],
        cwd=project.root, env=project.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    try:
        _, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    assert process.returncode == 0, errors
    return False
