# SPDX-License-Identifier: Apache-2.0
"""One tiny project per test session: the whole pipeline, seconds a stage."""

from __future__ import annotations

import pytest
from tests.pipeline.project import Project

TINY = (
    "data.train_limit=256",
    "supernas=quick",
    "supernas.max_candidates=4",
    "supernas.population=4",
    "supernas.samples=4",
    "supernet_training=smoke",
    "sparsenas=smoke",
    "sparsenas.population=4",
    "sparsenas.generations=1",
    "sparsenas.evaluation_images=64",
    "runtime.workers=1",
    "finetune.epochs=2",
    "finetune.warmup_epochs=0.5",
    "quantization.calibration_images=32",
    "runtime.verify_images=2",
    "trainer.num_threads=1",
    "runtime.progress_bar=false",
)
"""Overrides that make every stage small, and none of them another stage."""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose pipeline has run once. Tests must leave it composed as they found it."""
    project = Project.create(tmp_path_factory.mktemp("tiny"))
    result = project.tinyformer("repro", *TINY)
    (project.root / "first_run.log").write_text(result.stdout + result.stderr, "utf-8")
    return project
