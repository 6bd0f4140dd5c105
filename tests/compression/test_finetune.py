# SPDX-License-Identifier: Apache-2.0
"""Sparse fine-tuning: zeros stay exact, learning happens, a killed run ends in the bytes of one that was not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.compression.finetune_runs import SPEC, config, dense_subnet, run
from tests.supernas.runs import SPEC as SUPERNET
from tests.trainings import DATA, TRAINER, run_killed
from tinyformer.compression.finetune import finetune, pruning_share
from tinyformer.compression.masking import MaskedWeights
from tinyformer.data.splits import load_splits
from tinyformer.errors import TinyFormerError
from tinyformer.nets.spec import weighted_layers
from tinyformer.nets.supernet import Supernet, extract
from tinyformer.training.student import StudentModule, distillation_loss

GRADUAL = {"pruning_epochs": 2, "checkpoint_every": 2}


@pytest.fixture(scope="module")
def whole(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted gradual run."""
    directory = tmp_path_factory.mktemp("whole")
    run(dataset, directory, **GRADUAL)
    return directory


def weights(directory: Path) -> bytes:
    return (directory / "subnet.safetensors").read_bytes()


def interrupt(monkeypatch: pytest.MonkeyPatch, fatal: int) -> None:
    """Let the training die when it is about to take the step ``fatal``."""
    step = StudentModule.training_step

    def dying(self: StudentModule, batch: Any, index: int) -> torch.Tensor:
        if self.global_step == fatal:
            raise InterruptedError
        return step(self, batch, index)

    monkeypatch.setattr(StudentModule, "training_step", dying)


@pytest.mark.parametrize("changes", [{}, {"pruning_epochs": 2}, {"ema_decay": None, "optimizer": "sgd"}])
def test_masked_weights_are_exactly_zero_and_the_others_learn(dataset: Path, tmp_path: Path, changes: dict) -> None:
    curve: dict[int, dict[str, float]] = {}
    result = run(dataset, tmp_path, lambda metrics, epoch: curve.update({epoch: dict(metrics)}), **changes)
    before, after = dense_subnet().state_dict(), result.subnet.state_dict()
    for layer in weighted_layers(SPEC):
        weight = after[f"{layer.name}.weight"]
        rows = int(0.6 * len(weight)) if layer.prunable else 0
        zero_rows = [row for row in weight if not row.any()]
        assert len(zero_rows) == rows
        assert not any(torch.signbit(row).any() for row in zero_rows)
        assert not torch.equal(weight, before[f"{layer.name}.weight"])
    assert curve[4]["train_loss"] < curve[1]["train_loss"]
    assert [epoch for epoch in curve if "val_accuracy" in curve[epoch]] == [3, 4]
    pruned = [curve[epoch]["pruned"] for epoch in (1, 2, 3, 4)]
    assert pruned == sorted(pruned)
    assert 0.5 < pruned[-1] <= 0.6
    assert (pruned[0] < 0.45) == ("pruning_epochs" in changes)
    assert result.metrics == curve[4]
    assert not result.subnet.training


def test_a_run_killed_by_the_system_ends_in_the_same_bytes(dataset: Path, whole: Path, tmp_path: Path) -> None:
    run_killed("tests.compression.finetune_runs", dataset, tmp_path, **GRADUAL)
    heard = []
    run(dataset, tmp_path, lambda metrics, epoch: heard.append(epoch), **GRADUAL)
    assert heard == [1, 2, 3, 4]
    assert weights(tmp_path) == weights(whole)


@pytest.mark.parametrize("steps", [[1], [6, 9, 13], [19]])
def test_a_run_interrupted_in_any_step_ends_in_the_same_bytes(
    dataset: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[int]
) -> None:
    for fatal in steps:
        with monkeypatch.context() as patch, pytest.raises(InterruptedError):
            interrupt(patch, fatal)
            run(dataset, tmp_path, **GRADUAL)
    run(dataset, tmp_path, **GRADUAL)
    assert weights(tmp_path) == weights(whole)


REGROWING = {"pruning_epochs": 2, "pruning_every": 2, "regrowth": True, "checkpoint_every": 1}


@pytest.mark.parametrize("steps", [[1], [5, 9], [10], [19]])
def test_a_regrowing_run_interrupted_in_any_step_ends_in_the_same_bytes(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[int]
) -> None:
    run(dataset, tmp_path / "whole", **REGROWING)
    for fatal in steps:
        with monkeypatch.context() as patch, pytest.raises(InterruptedError):
            interrupt(patch, fatal)
            run(dataset, tmp_path / "killed", **REGROWING)
    result = run(dataset, tmp_path / "killed", **REGROWING)
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    state = result.subnet.state_dict()
    for layer in weighted_layers(SPEC):
        weight = state[f"{layer.name}.weight"]
        assert sum(not row.any() for row in weight) == (int(0.6 * len(weight)) if layer.prunable else 0)


def test_hidden_weights_grow_again_until_the_masks_settle() -> None:
    model = nn.Linear(2, 2, bias=False)
    nn.init.ones_(model.weight)
    keep_first = {"": torch.tensor([[True, True], [False, False]])}

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = model

    masked = MaskedWeights(Named(), regrowth=True)
    masked.set({"layer": keep_first[""]})
    assert model.weight[1].tolist() == [0, 0]
    masked.release()
    with torch.no_grad():
        model.weight.add_(1.0)  # the step is taken on the shadows
    masked.apply()
    assert model.weight.tolist() == [[2, 2], [0, 0]]
    masked.release()
    assert model.weight.tolist() == [[2, 2], [2, 2]]
    masked.settle()
    masked.hide()
    masked.release()
    assert model.weight.tolist() == [[2, 2], [0, 0]]


def test_validation_images_join_the_training_where_all_are_used(dataset: Path, tmp_path: Path) -> None:
    splits = load_splits(dataset)
    merged = splits.with_validation_images()
    assert len(merged.train) == len(splits.train) + len(splits.val)
    with pytest.raises(PermissionError):
        _ = merged.test
    run(dataset, tmp_path / "train")
    run(dataset, tmp_path / "all", all_images=True)
    assert weights(tmp_path / "train") != weights(tmp_path / "all")


def test_the_same_run_gives_the_same_bytes_and_another_seed_others(dataset: Path, whole: Path, tmp_path: Path) -> None:
    run(dataset, tmp_path, **GRADUAL)
    assert weights(tmp_path) == weights(whole)
    run(dataset, tmp_path, **GRADUAL, learning_rate=0.011)
    assert weights(tmp_path) != weights(whole)


def test_the_teacher_is_followed(dataset: Path, tmp_path: Path) -> None:
    """With the teacher's predictions alone, the student of a random teacher comes to agree with it."""
    teacher = dense_subnet()
    settings = {"distillation": 1.0, "epochs": 12, "ema_decay": None, "temperature": 1.0}
    agreement = {}
    images = torch.randn(300, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for name in ("none", "dense"):
        student = run(dataset, tmp_path / name, **settings, teacher=name).subnet
        with torch.no_grad():
            agreement[name] = float(distillation_loss(student(images), teacher(images), 1.0))
    assert agreement["dense"] < agreement["none"]


def test_the_supernets_largest_path_can_teach(dataset: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    supernet = Supernet(SUPERNET)
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    settings = config(teacher="largest", epochs=2)
    result = finetune(
        extract(supernet, SUPERNET.smallest()), lambda state, share: {}, load_splits(dataset), DATA, settings, TRAINER,
        seed=0, checkpoints=tmp_path, supernet=supernet,
    )  # fmt: skip
    assert result.subnet.spec == SUPERNET.smallest()
    assert result.metrics["pruned"] == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.state_dict().items())


def test_distillation_vanishes_where_predictions_agree() -> None:
    logits = torch.randn(4, 5)
    assert float(distillation_loss(logits, logits + 1, 3.0)) == pytest.approx(0, abs=1e-6)
    other = torch.randn(4, 5)
    expected = F.cross_entropy(logits, other.softmax(1)) - F.cross_entropy(other, other.softmax(1))
    assert float(distillation_loss(logits, other, 1.0)) == pytest.approx(float(expected), rel=1e-4)


def test_the_final_share_is_one_and_reached_steeply() -> None:
    shares = [pruning_share(epoch, 4) for epoch in range(7)]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[3] < 1
    assert shares[4:] == [1, 1, 1]
    assert shares[1] - shares[0] > shares[3] - shares[2]
    assert pruning_share(0, 0) == 1


def test_misfits_are_named(dataset: Path, tmp_path: Path) -> None:
    def attempt(masks: Mapping[str, torch.Tensor], **changes: str) -> None:
        finetune(
            dense_subnet(), lambda state, share: masks, load_splits(dataset), DATA, config(**changes), TRAINER, seed=0,
            checkpoints=tmp_path,
        )  # fmt: skip

    with pytest.raises(TinyFormerError, match=r"'head\.conv' has shape \(3, 3\), but .* shape \(16, 8, 1, 1\)"):
        attempt({"head.conv": torch.ones(3, 3)})
    with pytest.raises(TinyFormerError, match=r"'tail\.conv'.*no such layer"):
        attempt({"tail.conv": torch.ones(3, 3)})
    with pytest.raises(TinyFormerError, match="no supernet"):
        attempt({}, teacher="largest")
