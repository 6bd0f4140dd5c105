# SPDX-License-Identifier: Apache-2.0
"""What a machine lacks is said before anything is computed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tinyformer.cli import main
from tinyformer.config.compose import compose
from tinyformer.config.root import Config
from tinyformer.errors import TinyFormerError
from tinyformer.experiments import requirements
from tinyformer.experiments.requirements import check_requirements, slow_choices

CONF = Path(__file__).parents[2] / "conf"


def composed(*overrides: str) -> Config:
    return compose(CONF, overrides).config


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Ray, GPU and bfloat16."""
    found = importlib.util.find_spec

    def without_ray(name: str, package: str | None = None) -> Any:
        return None if name == "ray" else found(name, package)

    monkeypatch.setattr(requirements, "find_spec", without_ray)
    monkeypatch.setattr(requirements, "_has_gpu", lambda: False)
    monkeypatch.setattr(requirements, "cpu_features", lambda: frozenset({"avx2"}))


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("runtime.pool=ray", "Ray is not installed: run `pip install 'tinyformer.cluster.'` or set runtime.pool=local"),
        ("trainer.accelerator=gpu", "trainer.accelerator is gpu, but PyTorch finds no GPU here"),
        ("sparsenas.device=cuda", "sparsenas.device is cuda, but PyTorch finds no GPU here"),
    ],
)
def test_what_is_missing_is_a_sentence_before_the_first_stage(
    override: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TinyFormerError, match=sentence):
        check_requirements(composed(override))
    (tmp_path / "conf").symlink_to(CONF)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(tmp_path)
    for arguments in (["repro", override], ["repro", "-m", override, "seed=0,1"]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 1
        assert sentence.split(":", maxsplit=1)[0] in result.output
    assert not (tmp_path / "params.yaml").exists()


def test_what_is_there_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    check_requirements(composed())
    monkeypatch.setattr(requirements, "_has_gpu", lambda: True)
    monkeypatch.setattr(requirements, "find_spec", lambda name: object())
    check_requirements(composed("trainer.accelerator=gpu", "runtime.pool=ray"))


@pytest.mark.parametrize(
    ("overrides", "features", "warned"),
    [
        ((), "avx2", False),
        (("trainer.precision=bf16-mixed", "trainer.isa=native"), "avx2", True),
        (("trainer.precision=bf16-mixed", "trainer.isa=native"), "avx512_bf16", False),
        (("trainer.precision=bf16-mixed",), "avx512_bf16", True),
        (("trainer.precision=bf16-mixed", "trainer.accelerator=auto"), "avx2", False),
    ],
)
def test_bfloat16_without_instructions_for_it_is_said_to_be_slow(
    overrides: tuple[str, ...], features: str, warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requirements, "cpu_features", lambda: frozenset({features}))
    assert bool(slow_choices(composed(*overrides))) == warned
