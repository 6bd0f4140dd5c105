# SPDX-License-Identifier: Apache-2.0
"""What dvc.yaml says that a stage reads is what it reads: else a change would leave old results, or remake the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tinyformer.config.compose import compose
from tinyformer.config.mcu import McuConfig
from tinyformer.config.root import Config

CHECKOUT = Path(__file__).parents[2]
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((CHECKOUT / "dvc.yaml").read_text("utf-8"))["stages"]

SECTIONS = tuple(Config.model_fields)
WITHOUT_INFLUENCE = {"tracking", "runtime", "experiment"}
"""Sections that change no result; the experiment's name is in that of tracked artifacts alone."""


BEFORE_ANY_IMPORT = {"trainer.isa"}
"""What ``tinyformer.pipeline`` reads for every stage."""


def parameters(stage: str) -> set[str]:
    """What of params.yaml the stage is said to read."""
    entries = STAGES[stage]["params"]
    return {key for entry in entries for key in ([entry] if isinstance(entry, str) else entry["params.yaml"])}


@pytest.mark.parametrize("stage", sorted(set(STAGES) - {"report", "publish"}))
def test_a_stage_names_the_sections_that_it_reads(stage: str) -> None:
    text = (CHECKOUT / "src/tinyformer/pipeline" / f"{stage}.py").read_text("utf-8")
    # the data set's name is that of a directory, which the stage depends on by its content
    read = set(re.findall(r"\bconfig\.(?!data\.name\b)(\w+)", re.sub(r"tinyformer\.config\.", "", text)))
    assert read <= set(SECTIONS)
    named = {key.split(".")[0] for key in parameters(stage) - BEFORE_ANY_IMPORT}
    assert named - WITHOUT_INFLUENCE == read - WITHOUT_INFLUENCE


def test_the_report_names_all_sections_but_those_without_influence() -> None:
    assert parameters("report") == {*SECTIONS} - WITHOUT_INFLUENCE | {"experiment"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_microcontroller_is_all_but_what_is_said_of_its_model(stage: str) -> None:
    said = {"validation", "validation_note", "uncertainty"}
    keys = {key for key in parameters(stage) if key.startswith("mcu.")} - {"mcu.validation", "mcu.uncertainty"}
    assert keys in (set(), {f"mcu.{name}" for name in set(McuConfig.model_fields) - said})


@pytest.mark.parametrize("mcu", sorted(path.stem for path in (CHECKOUT / "conf/mcu").glob("*.yaml")))
def test_every_microcontroller_has_the_keys_that_stages_depend_on(mcu: str) -> None:
    """DVC refuses to run where one is missing, be its default as good as it may."""
    composed = yaml.safe_load(compose(CHECKOUT / "conf", [f"mcu={mcu}"]).text)
    missing = [key for stage in STAGES for key in sorted(parameters(stage)) if not _has(composed, key)]
    assert missing == []


def _has(tree: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True
