# SPDX-License-Identifier: Apache-2.0
"""The published settings of search, training and trainer are complete, valid, and refuse what cannot be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from tests.supernas.runs import train_config
from tinyformer.config.base import Section
from tinyformer.config.runtime import RuntimeConfig
from tinyformer.config.supernas import SuperNasConfig
from tinyformer.config.supernet_training import SupernetTrainingConfig
from tinyformer.config.trainer import TrainerConfig

CONF = Path(__file__).parents[2] / "conf"
SECTIONS: dict[str, type[Section]] = {
    "supernas": SuperNasConfig,
    "supernet_training": SupernetTrainingConfig,
    "trainer": TrainerConfig,
    "runtime": RuntimeConfig,
}
FILES = sorted(path for group in SECTIONS for path in (CONF / group).glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_choice_names_every_key(path: Path) -> None:
    section = SECTIONS[path.parent.name]
    settings = yaml.safe_load(path.read_text("utf-8"))
    assert set(settings) == set(section.model_fields)
    assert section.model_validate(settings).model_dump(mode="json") == settings


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        (SupernetTrainingConfig, {"warmup_epochs": 4.0}, "warmup_epochs (4.0) must be fewer than epochs (4)"),
        (SupernetTrainingConfig, {"paths": "double"}, "'single', 'sandwich' or 'shrinking'"),
        (SupernetTrainingConfig, {"learning_rate": 0}, "greater than 0"),
        (SupernetTrainingConfig, {"distillation": 1.5}, "less than or equal to 1"),
        (TrainerConfig, {"precision": "int8"}, "'32-true', 'bf16-mixed' or '16-mixed'"),
        (TrainerConfig, {"devices": 0}, "greater than or equal to 1"),
        (TrainerConfig, {"threads": 2}, "Extra inputs are not permitted"),
        (SuperNasConfig, {"samples": 0}, "greater than or equal to 1"),
    ],
)
def test_impossible_settings_are_explained(section: type[Section], changes: dict[str, Any], message: str) -> None:
    base = train_config().model_dump() if section is SupernetTrainingConfig else {}
    with pytest.raises(ValidationError, match=re.escape(message)):
        section.model_validate({**base, **changes})
