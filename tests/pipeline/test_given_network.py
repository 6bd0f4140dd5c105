# SPDX-License-Identifier: Apache-2.0
"""A network that is given goes through the same stages, to the chip."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from tests.pipeline.conftest import TINY
from tests.pipeline.project import Project

from tinyformer.nets.spec import SubnetSpec


@pytest.mark.slow
@pytest.mark.xdist_group("pipeline")
def test_a_given_network_is_trained_pruned_quantized_and_compiled(tiny: Project, tmp_path: Path) -> None:
    project = Project(tmp_path / "given")
    shutil.copytree(tiny.root, project.root, ignore=shutil.ignore_patterns("cache"))
    project.tinyformer("compose", *TINY, "network=fixed", "sparsity=s50", "sparsenas.generations=0")
    for stage in ("supernas", "train_supernet", "sparsenas", "finetune", "quantize", "codegen", "deploy", "report"):
        project.run_stage(stage)
    given = yaml.safe_load((project.root / "params.yaml").read_text("utf-8"))["network"]["spec"]
    found = yaml.safe_load((project.root / "outputs/subnet.yaml").read_text("utf-8"))["architecture"]
    assert SubnetSpec.from_dict(found) == SubnetSpec.from_dict({**found, "stages": given["stages"]})
    figures = json.loads((project.root / "outputs/summary.json").read_text("utf-8"))
    assert figures["block_sparsity"] >= 0.5 - 1e-6
    assert figures["bit_exact_images_mcu"] == 2
