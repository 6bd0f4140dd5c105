# SPDX-License-Identifier: Apache-2.0
"""``tinyformer space`` counts what a file describes."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from tinyformer.cli import main

SPACES = Path(__file__).parents[2] / "conf/search_space"


def test_a_space_is_counted() -> None:
    result = CliRunner().invoke(main, ["space", str(SPACES / "cifar10_wide.yaml")])
    assert result.exit_code == 0
    assert "sub-networks of the supernet with most: 1,496,880,000,000" in result.output


def test_no_file_is_one_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["space", str(tmp_path / "none.yaml")])
    assert (result.exit_code, result.exception.__class__) == (1, SystemExit)
    assert "Cannot read the search space" in result.output
