# SPDX-License-Identifier: Apache-2.0
"""Two checkouts without a shared cache end in the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.pipeline.conftest import TINY
from tests.pipeline.project import Project


@pytest.mark.slow
def test_two_projects_make_the_same_bytes(tiny: Project, tmp_path: Path) -> None:
    other = Project.create(tmp_path)
    other.tinyformer("repro", *TINY)
    assert other.digests() == tiny.digests()
