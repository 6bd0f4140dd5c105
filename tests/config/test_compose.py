"""The configuration: what conf/ composes to, and how mistakes in it are named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tinyformer.config.compose import compose, groups
from tinyformer.config.load import load_params
from tinyformer.config.location import conf_directory
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
    group = tmp_path / "conf" / "train" / "quick.yaml"
    recipe.write_text(recipe.read_text("utf-8") + "\nfinetune:\n  epochs: none\n", "utf-8")
    group.write_text(group.read_text("utf-8") + "\nepoch: 3\n", "utf-8")
    with pytest.raises(TinyFormerError) as caught:
        compose(tmp_path / "conf")
    lines = str(caught.value).splitlines()
    assert any("conf/experiment/quickstart.yaml" in line and "finetune.epochs" in line for line in lines)
    assert any("conf/train/quick.yaml" in line and "'train.epoch'" in line for line in lines)


@pytest.mark.parametrize("text", ["", "seed: [1", "- 1\n- 2\n", "seed: 1\n"])
def test_a_damaged_params_file_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(TinyFormerError, match=r"params\.yaml"):
        load_params(path)
