# SPDX-License-Identifier: Apache-2.0
"""Supernet training: what it minimises, and that a killed run resumes and ends in the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.supernas.runs import SPEC, train, train_config
from tests.trainings import run_killed
from tinyformer.errors import TinyFormerError
from tinyformer.nets.blocks import initialize
from tinyformer.nets.spec import SubnetSpec
from tinyformer.nets.supernet import Supernet
from tinyformer.supernas import training
from tinyformer.supernas.paths import training_paths, validation_paths
from tinyformer.supernas.training import path_loss


@pytest.fixture(scope="session")
def whole(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    directory = tmp_path_factory.mktemp("whole")
    train(dataset, directory, checkpoint_every=2)
    return directory


def weights(directory: Path) -> bytes:
    return (directory / "supernet.safetensors").read_bytes()


def die_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt the training when it is about to draw the paths of ``step``."""

    def paths(spec: Any, config: Any, seed: int, current: int, progress: float) -> list[SubnetSpec]:
        if current == step:
            raise InterruptedError
        return training_paths(spec, config, seed, current, progress)

    monkeypatch.setattr(training, "training_paths", paths)


def test_a_run_killed_by_the_system_ends_in_the_same_bytes(dataset: Path, whole: Path, tmp_path: Path) -> None:
    run_killed("tests.supernas.runs", dataset, tmp_path, checkpoint_every=2)
    train(dataset, tmp_path, checkpoint_every=2)
    assert weights(tmp_path) == weights(whole)


@pytest.mark.parametrize(
    "changes", [{"checkpoint_every": 3}, {}, {"paths": "sandwich", "random_paths": 0, "ema_decay": 0.9}], ids=str
)
def test_a_run_interrupted_anywhere_ends_like_a_whole_one(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    curves: dict[str, dict[int, dict[str, float]]] = {"whole": {}, "interrupted": {}}

    def run(name: str) -> None:
        def on_metrics(metrics: Mapping[str, float], epoch: int) -> None:
            curves[name][epoch] = dict(metrics)

        train(dataset, tmp_path / name, on_metrics, **changes)

    run("whole")
    for step in (5, 7, 18, 27):  # of 28: within epochs, at the start of one, in the last step
        die_at(step, monkeypatch)
        with pytest.raises(InterruptedError):
            run("interrupted")
        curves["interrupted"].clear()  # what the dead process had heard is lost
        monkeypatch.undo()
    run("interrupted")
    assert weights(tmp_path / "interrupted") == weights(tmp_path / "whole")
    assert curves["interrupted"] == curves["whole"]
    assert list(curves["whole"]) == [1, 2, 3, 4]
    validated = [epoch for epoch, metrics in curves["whole"].items() if "val_accuracy_largest" in metrics]
    assert validated == [2, 4]


def test_a_finished_run_is_not_trained_again(dataset: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = weights(whole)
    monkeypatch.setattr(training, "path_loss", None)
    train(dataset, whole, checkpoint_every=2)
    assert weights(whole) == expected


def test_a_truncated_checkpoint_is_named_and_its_predecessor_used(
    dataset: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    die_at(20, monkeypatch)
    with pytest.raises(InterruptedError):
        train(dataset, tmp_path, checkpoint_every=2)
    monkeypatch.undo()
    newest = tmp_path / "checkpoints/newest.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    train(dataset, tmp_path, checkpoint_every=2)
    assert weights(tmp_path) == weights(whole)
    (warning,) = [record.getMessage() for record in caplog.records if record.name.startswith("tinyformer")]
    assert f"{newest} is damaged" in warning
    assert "continues from" in warning and "previous.safetensors" in warning


def test_checkpoints_that_are_all_damaged_are_an_error(dataset: Path, tmp_path: Path) -> None:
    train(dataset, tmp_path, epochs=1)
    for path in (tmp_path / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(TinyFormerError, match=r"newest\.safetensors is damaged"):
        train(dataset, tmp_path, epochs=1)


def test_other_settings_start_afresh(dataset: Path, tmp_path: Path) -> None:
    train(dataset, tmp_path / "a", epochs=1)
    train(dataset, tmp_path / "b", epochs=1, learning_rate=0.02)
    train(dataset, tmp_path / "a", epochs=1, learning_rate=0.02)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def test_training_learns_and_never_reads_the_test_split(dataset: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "data"
    hidden.mkdir()
    for path in dataset.iterdir():
        if not path.name.startswith("test"):
            (hidden / path.name).write_bytes(path.read_bytes())
    trained = train(hidden, tmp_path, epochs=20, paths="sandwich", random_paths=1, validate_every=20)
    assert trained.metrics["train_loss"] < 1.7  # guessing costs log(10) = 2.3
    assert trained.metrics["val_accuracy_largest"] > 0.6
    assert 0.2 < trained.metrics["val_accuracy_smallest"] <= 1.0
    assert not trained.supernet.training


def test_divergence_is_explained(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(TinyFormerError, match=r"diverged in epoch 1 .*supernet_training\.learning_rate"):
        train(dataset, tmp_path, optimizer="sgd", learning_rate=100.0, gradient_clip=0.0, warmup_epochs=0.0)


SHRINKING = {
    "paths": "shrinking", "random_paths": 1, "distillation": 0.7,
    "largest": {"epochs": 3, "batch_size": 28, "learning_rate": 0.01, "warmup_epochs": 0.5, "ema_decay": 0.8},
}  # fmt: skip


def test_shrinking_starts_from_the_largest_network_trained_alone(dataset: Path, tmp_path: Path) -> None:
    curve: dict[int, dict[str, float]] = {}
    train(dataset, tmp_path, lambda metrics, epoch: curve.update({epoch: dict(metrics)}), **SHRINKING)
    assert sorted(curve) == [1, 2, 3, 4, 5, 6, 7], "three epochs alone, four shared"
    assert "val_accuracy_largest" in curve[3] and "val_accuracy_smallest" not in curve[3]
    assert curve[4]["train_loss"] < curve[1]["train_loss"]


def test_a_shrinking_run_killed_after_its_first_part_ends_in_the_same_bytes(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(dataset, tmp_path / "whole", **SHRINKING)
    die_at(9, monkeypatch)
    with pytest.raises(InterruptedError):
        train(dataset, tmp_path / "killed", **SHRINKING)
    monkeypatch.undo()
    monkeypatch.setattr("tinyformer.supernas.largest.train_student", None)  # it is not trained again
    heard: list[int] = []
    train(dataset, tmp_path / "killed", lambda metrics, epoch: heard.append(epoch), **SHRINKING)
    assert heard == [1, 2, 3, 4, 5, 6, 7]
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")


def test_widths_shrink_in_the_second_half_only() -> None:
    config = train_config(**SHRINKING)
    largest = SPEC.largest()
    early = [path for step in range(20) for path in training_paths(SPEC, config, 1, step, 0.4)[1:]]
    late = [path for step in range(20) for path in training_paths(SPEC, config, 1, step, 0.6)[1:]]
    assert all(path.stages[0].width == largest.stages[0].width for path in early)
    assert any(path.stages[0].width < largest.stages[0].width for path in late)
    assert len({path.stages[0].blocks for path in early}) > 3, "kernels and depths differ already"
    assert all(SPEC.contains(path) for path in early + late)


def test_paths_of_a_step_depend_on_seed_and_step_alone() -> None:
    single, sandwich = train_config(), train_config(paths="sandwich", random_paths=3)
    assert training_paths(SPEC, single, 1, 5) == training_paths(SPEC, single, 1, 5)
    assert len({training_paths(SPEC, single, 1, step)[0] for step in range(40)}) > 20
    largest, smallest, *random = training_paths(SPEC, sandwich, 1, 5)
    assert (largest, smallest, len(random)) == (SPEC.largest(), SPEC.smallest(), 3)
    assert list(validation_paths(SPEC, single, 1)) == ["largest", "smallest", "random_0", "random_1"]


def test_the_sandwich_loss_distills_from_the_largest_path() -> None:
    supernet = Supernet(SPEC)
    initialize(supernet, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(6, 1, 8, 8, generator=generator), torch.tensor([0, 1, 2, 3, 4, 5])
    paths = [SPEC.largest(), SPEC.smallest(), SPEC.sample(np.random.default_rng(0))]
    config = train_config(paths="sandwich", distillation=0.7, label_smoothing=0.1)
    logits = [supernet(x, path) for path in paths]
    teacher = torch.softmax(logits[0], 1)

    def hard(z: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(z, y, label_smoothing=0.1)

    def soft(z: torch.Tensor) -> torch.Tensor:
        return -(teacher * torch.log_softmax(z, 1)).sum(1).mean()

    expected = (hard(logits[0]) + sum(0.3 * hard(z) + 0.7 * soft(z) for z in logits[1:])) / 3
    torch.testing.assert_close(path_loss(supernet, paths, x, y, config), expected)
    # The teacher does not learn from its pupils.
    config = train_config(paths="sandwich", distillation=1.0)
    only = {name for name, _ in supernet.slices(paths[0]).items()}
    (2 * path_loss(supernet, paths[:1] + paths[:1], x, y, config)).backward()
    twice = {name: p.grad.clone() for name, p in supernet.named_parameters() if p.grad is not None}
    supernet.zero_grad()
    F.cross_entropy(supernet(x, paths[0]), y).backward()
    for name, parameter in supernet.named_parameters():
        if name in only and parameter.grad is not None:
            # A pupil that equals its teacher has the gradient zero: what remains is the labels'.
            torch.testing.assert_close(twice[name], parameter.grad, rtol=1e-3, atol=1e-5)


def test_probabilities_are_targets_too() -> None:
    supernet = Supernet(SPEC)
    x, y = torch.randn(4, 1, 8, 8), torch.tensor([3, 1, 4, 1])
    paths = [SPEC.smallest()]
    labels = path_loss(supernet, paths, x, y, train_config())
    torch.testing.assert_close(path_loss(supernet, paths, x, F.one_hot(y, 10).float(), train_config()), labels)
