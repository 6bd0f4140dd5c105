# SPDX-License-Identifier: Apache-2.0
"""What there is to choose from is listed from the files that hold it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from tinyformer.cli import main
from tinyformer.config.groups import groups, purpose
from tinyformer.config.location import conf_directory
from tinyformer.mcu.target import known_mcus

CONF = conf_directory()
GROUPS = groups(CONF)


def listed(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["list", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def test_groups_and_choices_are_those_of_conf() -> None:
    text = listed()
    for name, choices in GROUPS.items():
        assert name in text
        assert all(choice in text for choice in choices)


def test_microcontrollers_have_their_figures() -> None:
    rows = {line.split()[0]: line for line in listed("mcu").splitlines() if line.split()[:1]}
    assert set(known_mcus()) <= set(rows)
    assert "216 MHz" in rows["stm32f746"]
    assert "1,024 KB" in rows["stm32f746"]


@pytest.mark.parametrize("group", GROUPS)
def test_each_choice_says_what_it_is(group: str) -> None:
    assert all(purpose(CONF / group / f"{choice}.yaml") for choice in GROUPS[group])


def test_the_plural_is_understood_and_an_unknown_group_names_the_others() -> None:
    assert "quickstart" in listed("experiments")
    result = CliRunner().invoke(main, ["list", "boards"])
    assert result.exit_code == 1
    assert "There is no group 'boards': choose one of data, engine" in result.output


def test_without_the_pipelines_packages_a_sentence_names_the_extra() -> None:
    program = "import sys; sys.modules['hydra'] = None; from tinyformer.cli import main; main(['compose'])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "package hydra" in result.stderr
    assert "pip install 'tinyformer[pipeline]'" in result.stderr
    assert "Traceback" not in result.stderr
