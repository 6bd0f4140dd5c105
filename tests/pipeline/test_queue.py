# SPDX-License-Identifier: Apache-2.0
"""Experiments that DVC queues run in temporary copies of the project; their W&B runs outlive these."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
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
def test_runs_of_a_queued_experiment_are_kept(tiny: Project, tmp_path: Path) -> None:
    project = Project(Path(shutil.copytree(tiny.root, tmp_path / "project", symlinks=True)))
    (project.root / ".dvc/config.local").unlink(missing_ok=True)
    (project.root / ".gitignore").write_text("/outputs/\n/data/\n/.tinyformer/\n/.dvc/tmp\n/.dvc/cache\n__pycache__/\n")
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    for command in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-qm", "all")):
        subprocess.run(["git", *command], cwd=project.root, check=True, capture_output=True)
    before = len(read_runs(project.root / "outputs/wandb"))
    project.dvc("exp", "run", "--temp", "-S", "runtime.verify_images=3")
    runs = read_runs(project.root / "outputs/wandb")[before:]
    assert {"deploy", "report", "summary"} <= {run.job_type for run in runs}
    assert [run.summary["bit_exact_images_mcu"] for run in runs if run.job_type == "summary"] == [3]
