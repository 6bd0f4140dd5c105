# SPDX-License-Identifier: Apache-2.0
"""A stage killed at any moment continues, and ends in the same bytes as the one that was not."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

import pytest
from tests.pipeline.project import Project, stages_run

from tinyformer.keys import content_digest

pytestmark = pytest.mark.xdist_group("pipeline")


@pytest.mark.parametrize(
    ("stage", "outputs"),
    [
        ("train_supernet", ["outputs/supernet.safetensors", "outputs/history/train_supernet.json"]),
        ("sparsenas", ["outputs/subnet.yaml", "outputs/pareto.json"]),
        ("finetune", ["outputs/subnet.safetensors", "outputs/history/finetune.json"]),
    ],
)
def test_a_killed_stage_resumes_to_equal_bytes(tiny: Project, tmp_path: Path, stage: str, outputs: list[str]) -> None:
    project = Project(tmp_path / "copy")
    shutil.copytree(tiny.root, project.root, ignore=shutil.ignore_patterns(".dvc", "wandb", ".tinyformer"))
    expected = {name: content_digest(project.root / name) for name in outputs}
    for name in outputs:
        (project.root / name).unlink()
    work = project.root / ".tinyformer" / stage
    process = project.start_stage(stage)
    _wait_for_progress(process, work)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not any((project.root / name).exists() for name in outputs), "killed too late to be a test"
    saved = {path: path.stat().st_mtime_ns for path in work.rglob("*") if path.is_file()}
    assert saved
    project.run_stage(stage)
    assert {name: content_digest(project.root / name) for name in outputs} == expected
    assert stage == "sparsenas" or not any(work.iterdir()), "what has ended is not resumed"


def test_other_code_makes_other_weights(tiny: Project, tmp_path: Path) -> None:
    """Nothing of what the old code made is taken for the new code's: no checkpoint, no output."""
    project = Project(tmp_path / "copy")
    shutil.copytree(tiny.root, project.root, ignore=shutil.ignore_patterns("wandb"))
    weights = project.root / "outputs/supernet.safetensors"
    before = content_digest(weights)
    code = project.root / "src/tinyformer/supernas/training.py"
    text = code.read_text("utf-8")
    assert text.count("return torch.stack(losses).mean()") == 1
    code.write_text(text.replace("return torch.stack(losses).mean()", "return -torch.stack(losses).mean()"), "utf-8")
    # SuperNAS ranks supernets by short trainings of the same code.
    assert stages_run(project.dvc("repro", "train_supernet").stdout) == ["supernas", "train_supernet"]
    assert content_digest(weights) != before


def _wait_for_progress(process: object, work: Path) -> None:
    """Until something to resume from has been written."""
    deadline = time.monotonic() + 300
    while not any(path.is_file() for path in work.rglob("*")):
        assert time.monotonic() < deadline, "nothing was checkpointed"
        assert process.poll() is None, "the stage ended before it could be killed"  # type: ignore[attr-defined]
        time.sleep(0.01)
