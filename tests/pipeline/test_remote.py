# SPDX-License-Identifier: Apache-2.0
"""A DVC remote: what one clone has computed, another one fetches."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.pipeline.conftest import TINY
from tests.pipeline.project import Project, stages_run

SETTINGS = (".dvc/config.local", "dvc.lock", "params.yaml")


@pytest.mark.slow
def test_a_second_clone_computes_nothing(tiny: Project, tmp_path: Path) -> None:
    tiny.dvc("remote", "add", "--local", "--default", "--force", "store", str(tmp_path / "remote"))
    try:
        tiny.dvc("push")
        other = Project.create(tmp_path / "other")
        for name in SETTINGS:
            shutil.copy(tiny.root / name, other.root / name)
    finally:
        tiny.dvc("remote", "remove", "--local", "store")
    other.dvc("pull")
    assert stages_run(other.tinyformer("repro", *TINY).stdout) == []
    assert other.digests() == tiny.digests()
