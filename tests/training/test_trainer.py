"""A run that is killed and continued ends in the bytes of one that was not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyformer.config.trainer import TrainerConfig
from tinyformer.errors import TinyFormerError
from tinyformer.training.averaging import WeightAverage
from tinyformer.training.checkpoint import save_weights
from tinyformer.training.optimizers import make_optimizer, scheduled
from tinyformer.training.resumption import ResumePoint
from tinyformer.training.schedules import cubic_ramp, warmup_cosine
from tinyformer.training.segments import Segments
from tinyformer.training.trainer import fit

CPU = TrainerConfig(num_threads=1, progress_bar=False)


class NoisyBatches:
    """Random features and labels, a function of the epoch's number."""

    def __init__(self, batches: int = 7) -> None:
        self._batches = batches
        self._epoch = -1

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        rng = np.random.default_rng(self._epoch)
        for _ in range(self._batches):
            x = rng.normal(size=(8, 6)).astype(np.float32)
            yield torch.from_numpy(x), torch.from_numpy((x[:, 0] > 0).astype(np.int64))


class Classifier(pl.LightningModule):
    """Dropout and BatchNorm: randomness and state beside the weights. Dies in a given step."""

    def __init__(self, steps: int, dies_after: int | None = None) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))
        self._steps = steps
        self._dies_after = dies_after

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        if self._dies_after is not None and self.global_step >= self._dies_after:
            raise InterruptedError
        loss = F.cross_entropy(self.model(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        self.log("val_loss", F.cross_entropy(self.model(batch[0]), batch[1]), on_epoch=True)

    def configure_optimizers(self):
        return scheduled(make_optimizer(self.model, "adamw", 0.01, 0.05), self._steps, 3)


def train(path: Path, dies_after: int | None = None, every: int | None = None) -> tuple[Classifier, dict[int, dict]]:
    module = Classifier(steps=28, dies_after=dies_after)
    curve: dict[int, dict[str, float]] = {}

    def on_metrics(metrics: Mapping[str, float], epoch: int) -> None:
        curve[epoch] = dict(metrics)

    fit(
        module, NoisyBatches(), NoisyBatches(2), CPU,
        epochs=4, seed=5, gradient_clip=1.0, validate_every=3, resume=ResumePoint(path, "key"),
        checkpoint_every=every, average=WeightAverage(module.model, 0.9), on_metrics=on_metrics,
    )  # fmt: skip
    return module, curve


@pytest.mark.parametrize("every", [None, 3])
def test_a_killed_run_ends_in_the_same_bytes(tmp_path: Path, every: int | None) -> None:
    whole, expected_curve = train(tmp_path / "whole", every=every)
    save_weights(tmp_path / "whole.safetensors", whole.state_dict())
    for kill in itertools.accumulate([0, 3, 9, 13]):
        with pytest.raises(InterruptedError):
            train(tmp_path / "killed", dies_after=kill, every=every)
    resumed, curve = train(tmp_path / "killed", every=every)
    save_weights(tmp_path / "resumed.safetensors", resumed.state_dict())
    assert (tmp_path / "resumed.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert (tmp_path / "killed/newest.safetensors").read_bytes() == (tmp_path / "whole/newest.safetensors").read_bytes()
    assert curve == expected_curve
    epochs = 4 if every is None else 12
    assert list(curve) == list(range(1, epochs + 1))
    assert [epoch for epoch in curve if "val_loss" in curve[epoch]] == ([3, 4] if every is None else [9, 12])


def test_a_finished_run_is_resumed_without_training_again(tmp_path: Path) -> None:
    whole, expected = train(tmp_path)
    again, curve = train(tmp_path, dies_after=0)
    assert curve == expected
    assert all(map(torch.equal, whole.state_dict().values(), again.state_dict().values()))


def test_another_key_starts_afresh(tmp_path: Path) -> None:
    train(tmp_path)
    with pytest.raises(InterruptedError):
        fit(
            Classifier(7, dies_after=0),
            NoisyBatches(),
            None,
            CPU,
            epochs=1,
            seed=5,
            resume=ResumePoint(tmp_path, "other"),
        )


def test_segments_deliver_each_batch_once() -> None:
    whole, cut = NoisyBatches(9), Segments(NoisyBatches(9), 4)
    assert (len(cut), cut.per_epoch) == (3, 3)
    for epoch in range(2):
        whole.set_epoch(epoch)
        delivered = []
        for segment in range(3):
            cut.set_epoch(3 * epoch + segment)
            delivered += list(cut)
        assert all(torch.equal(a[0], b[0]) for a, b in zip(whole, delivered, strict=True))


def test_a_damaged_checkpoint_costs_an_epoch_and_two_are_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, _ = train(tmp_path)
    newest, previous = tmp_path / "newest.safetensors", tmp_path / "previous.safetensors"
    newest.write_bytes(newest.read_bytes()[:-9])
    resumed, curve = train(tmp_path)
    assert "continues from" in caplog.text
    assert len(curve) == 4
    assert all(map(torch.equal, whole.state_dict().values(), resumed.state_dict().values()))
    for path in (newest, previous):
        path.write_bytes(b"")
    with pytest.raises(TinyFormerError, match="damaged"):
        train(tmp_path)


def test_schedules() -> None:
    factors = [warmup_cosine(step, 20, 4) for step in range(20)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert all(later < earlier for earlier, later in itertools.pairwise(factors[4:]))
    assert 0 < factors[-1] < 0.02
    assert [cubic_ramp(x) for x in (-1, 0, 0.5, 1, 2)] == [0, 0, 0.875, 1, 1]
