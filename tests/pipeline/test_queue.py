# SPDX-License-Identifier: Apache-2.0
"""Experiments that DVC queues run in temporary copies of the project; their W&B runs outlive these."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.pipeline.conftest import TINY
from tests.pipeline.project import Project

from tinyformer.pipeline import artifacts
from tinyformer.tracking.reader import read_runs

pytestmark = pytest.mark.xdist_group("pipeline")


@pytest.mark.parametrize("place", ["exps/tmp1a2b", "exps/standalone/tmp1a2b"])
def test_a_temporary_copy_records_in_the_project(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "project/.dvc/tmp" / place
    directory.mkdir(parents=True)
    monkeypatch.chdir(directory)
    assert artifacts.recordings() == tmp_path / "project/outputs/wandb"
    monkeypatch.chdir(tmp_path / "project")
    assert artifacts.recordings() == artifacts.WANDB


@pytest.mark.slow
def test_runs_of_a_queued_experiment_are_kept(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.tinyformer("repro", *TINY, "--stage", "prepare")
    (project.root / ".dvc/config.local").unlink(missing_ok=True)
    (project.root / ".gitignore").write_text("/outputs/\n/data/\n/.tinyformer/\n/.dvc/tmp\n/.dvc/cache\n__pycache__/\n")
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    for command in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-qm", "all")):
        subprocess.run(["git", *command], cwd=project.root, check=True, capture_output=True)
    project.dvc("exp", "run", "--temp", "-S", "seed=5", "prepare")
    seeds = [run.config["seed"] for run in read_runs(project.root / "outputs/wandb") if run.job_type == "prepare"]
    assert sorted(seeds) == [1, 5]
    assert not list((project.root / ".dvc/tmp/exps/standalone").glob("tmp*")), "the copy is gone, its recording is not"
