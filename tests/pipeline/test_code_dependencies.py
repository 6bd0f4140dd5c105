# SPDX-License-Identifier: Apache-2.0
"""The code in dvc.yaml is that of the stages' keys: else a change of the code would leave old results."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tinyformer.keys import code_files
from tinyformer.pipeline.dependencies import with_code_dependencies

CHECKOUT = Path(__file__).parents[2]
TEXT = (CHECKOUT / "dvc.yaml").read_text("utf-8")
STAGES = yaml.safe_load(TEXT)["stages"]


def test_the_lists_of_code_are_up_to_date() -> None:
    assert with_code_dependencies(TEXT) == TEXT, "run `make dependencies`"


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_depends_on_the_files_of_the_key_and_no_others(stage: str) -> None:
    listed: set[Path] = set()
    for path in (CHECKOUT / name for name in STAGES[stage]["deps"] if name.startswith("src/")):
        inside = [file for file in path.rglob("*") if file.is_file() and file.suffix != ".pyc"]
        listed |= {path} if path.is_file() else set(inside)
    assert listed == set(code_files(f"tinyformer.pipeline.{stage}")), "run `make dependencies`"


def test_writing_the_lists_changes_nothing_else() -> None:
    stale = TEXT.replace("      - src/tinyformer/keys.py\n", "").replace(
        "    deps:\n", "    deps:\n      - src/gone.py\n"
    )
    assert with_code_dependencies(stale) == TEXT
