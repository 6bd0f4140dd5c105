# SPDX-License-Identifier: Apache-2.0
"""The configuration: what conf/ composes to, and how mistakes in it are named."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tinyformer.config.compose import compose
from tinyformer.config.groups import groups
from tinyformer.config.load import known_keys, load_params
from tinyformer.config.location import conf_directory
from tinyformer.config.moved import MOVED
from tinyformer.errors import TinyFormerError

CHECKOUT = Path(__file__).parents[2]
CONF = conf_directory()
RECIPES = groups(CONF)["experiment"]


def test_committed_params_equal_the_composition() -> None:
    assert (CHECKOUT / "params.yaml").read_text("utf-8") == compose(CONF).text, "run `tinyformer compose`"


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_composes_to_valid_settings_under_its_own_name(recipe: str, tmp_path: Path) -> None:
    composition = compose(CONF, experiment=recipe)
    assert composition.config.experiment == recipe
    (tmp_path / "params.yaml").write_text(composition.text, "utf-8")
    assert load_params(tmp_path / "params.yaml") == composition.config


@pytest.mark.parametrize(
    ("group", "choice"), [(group, choice) for group, choices in groups(CONF).items() for choice in choices]
)
def test_every_choice_of_every_group_is_valid(group: str, choice: str) -> None:
    compose(CONF, [f"{group}={choice}"])


def test_overrides_reach_the_text_and_the_config() -> None:
    composition = compose(CONF, ["sparsity=s90", "seed=7"])
    assert composition.config.seed == yaml.safe_load(composition.text)["seed"] == 7
    assert composition.config.sparsity.target == 0.9


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["finetune.epoch=3"], ["finetune.epoch", "did you mean", "epochs"]),
        (["fintune.epochs=3"], ["fintune", "did you mean", "finetune"]),
        (["+finetune.colour=red"], ["finetune.colour", "unknown key"]),
        (["mcu=stm32f764"], ["mcu=stm32f764", "did you mean", "stm32f74", "choices"]),
        (["finetune.epochs=many"], ["command line", "finetune.epochs", "many", "integer"]),
        (["sparsity.target=1.5"], ["command line", "sparsity.target", "1.5", "less than"]),
        (["sparsity.criterion=luck"], ["sparsity.criterion", "luck", "l2"]),
        (["experiment=moonshot"], ["moonshot", "choices", "quickstart"]),
        (["seed=[1"], ["seed=[1"]),
        (["limits.sram_bytes=1000000"], ["command line (limits.sram_bytes", "stm32f746 has 327680"]),
        (["engine.flash_bytes=9000000"], ["limits.flash_bytes=9000000", "stm32f746 has 1048576"]),
        (["data.augment.cutout=99"], ["cutout", "image_size"]),
        (
            ["quantization.training={epochs: 3, batch_size: 8, learning_rate: 0.1, temprature: 2.0}"],
            ["command line", "quantization.training.temprature", "did you mean 'temperature'?"],
        ),
        (
            ["quantization.training={epochs: 3, batch_size: 8, learning_rate: 0.1, warmup_epochs: 3}"],
            ["quantization.training", "warmup_epochs (3.0) must be fewer than epochs (3)"],
        ),
    ],
)
def test_mistakes_are_named_with_the_remedy(overrides: list[str], words: list[str]) -> None:
    with pytest.raises(TinyFormerError) as caught:
        compose(CONF, overrides)
    message = str(caught.value).lower()
    for word in words:
        assert word.lower() in message, message


def test_a_mistake_in_a_file_is_named_with_the_file(tmp_path: Path) -> None:
    shutil.copytree(CONF, tmp_path / "conf")
    recipe = tmp_path / "conf" / "experiment" / "quickstart.yaml"
    group = tmp_path / "conf" / "supernet_training" / "quick.yaml"
    recipe.write_text(recipe.read_text("utf-8") + "\nfinetune:\n  epochs: none\n", "utf-8")
    group.write_text(group.read_text("utf-8") + "\nepoch: 3\n", "utf-8")
    with pytest.raises(TinyFormerError) as caught:
        compose(tmp_path / "conf")
    lines = str(caught.value).splitlines()
    assert any("conf/experiment/quickstart.yaml" in line and "finetune.epochs" in line for line in lines)
    assert any("conf/supernet_training/quick.yaml" in line and "'supernet_training.epoch'" in line for line in lines)


@pytest.mark.parametrize("text", ["", "seed: [1", "- 1\n- 2\n", "seed: 1\n"])
def test_a_damaged_params_file_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(TinyFormerError, match=r"params\.yaml"):
        load_params(path)


@pytest.mark.parametrize(
    ("old", "key", "value"),
    [
        ("trainer.progress_bar=false", "runtime.progress_bar", False),
        ("sparsenas.workers=1", "runtime.workers", 1),
        ("engine.verify_images=8", "runtime.verify_images", 8),
        ("finetune.checkpoint_every=5", "runtime.checkpoint_every", 5),
        ("engine.flash_bytes=60000", "limits.flash_bytes", 60000),
        ("sparsenas.limits.latency_ms=3", "limits.latency_ms", 3.0),
        ("train.epochs=5", "supernet_training.epochs", 5),
    ],
)
def test_old_names_are_still_understood(old: str, key: str, value: object, caplog: pytest.LogCaptureFixture) -> None:
    found = compose(CONF, [old]).config
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value
    assert key in caplog.text


@pytest.mark.parametrize(
    "old", sorted(set(MOVED) - {"train.checkpoint_every", "quantization.training.checkpoint_every"})
)
def test_an_old_name_in_a_file_is_named_with_the_new_one(old: str, tmp_path: Path) -> None:
    params = yaml.safe_load((CHECKOUT / "params.yaml").read_text("utf-8"))
    section, _, key = old.rpartition(".")
    (params[section] if section else params)[key] = 1
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    with pytest.raises(TinyFormerError, match=re.escape(f"unknown key '{old}'; did you mean '{MOVED[old]}'?")):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("new", sorted(set(MOVED.values())))
def test_new_names_exist(new: str) -> None:
    *section, key = new.split(".")
    assert key in known_keys(tuple(section))


@pytest.mark.parametrize("value", ["${oc.env:SECRET}", "pre-${ oc.env:SECRET,none}", "${oc.decode:${oc.env:SECRET}}"])
def test_nothing_of_the_environment_is_written_down(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cr3t")
    with pytest.raises(TinyFormerError, match=r"data\.root takes its value from the environment"):
        compose(CONF, [f"data.root='{value}'"])


@pytest.mark.parametrize(
    "word",
    [
        "seed=4294967296", "seed=99999999999999999999", "finetune.epochs=1000000000", "finetune.learning_rate=1e30",
        "finetune.learning_rate=inf", "finetune.learning_rate=nan",
        "supernet_training.largest.vector_learning_rate=inf", "finetune.label_smoothing=nan",
    ],
)  # fmt: skip
def test_absurd_numbers_are_refused(word: str) -> None:
    with pytest.raises(TinyFormerError, match=word.partition("=")[0].rpartition(".")[2]):
        compose(CONF, [word])
