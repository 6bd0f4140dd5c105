# SPDX-License-Identifier: Apache-2.0
"""Batches: determinism, what each augmentation does, and Lightning's view of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tinyformer.config.data import AugmentConfig, DataConfig
from tinyformer.data import Split, load_splits
from tinyformer.data.augmentation import cutmix, cutout, erase, jitter_color, mixup, shift_and_flip
from tinyformer.data.loading import EpochBatches
from tinyformer.data.normalization import normalize, sample_images
from tinyformer.data.preparation import prepare_dataset
from tinyformer.data.trivial_augment import OPERATIONS, trivial_augment

NONE = AugmentConfig(crop_padding=0, crop_fill="black", horizontal_flip=False, cutout=0, color_jitter=0, mixup=0)
ALL = AugmentConfig(crop_padding=2, crop_fill="reflect", horizontal_flip=True, cutout=3, color_jitter=0.2, mixup=0.4)


def _images(count: int = 10, size: int = 9, channels: int = 3) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(0).integers(0, 256, (count, size, size, channels), dtype=np.uint8))


def _split(count: int = 50) -> Split:
    return Split(_images(count).numpy(), np.arange(count, dtype=np.int64))


def _rng() -> np.random.Generator:
    return np.random.default_rng(3)


def _epoch(batches: EpochBatches, epoch: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    batches.set_epoch(epoch)
    return list(batches)


def test_normalize_is_the_int8_input_over_128() -> None:
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    x = normalize(images)
    assert x.shape == (1, 1, 16, 16)
    assert x.dtype == torch.float32
    np.testing.assert_array_equal((x * 128).numpy().ravel(), np.arange(-128, 128))
    assert normalize(_images()).is_contiguous(memory_format=torch.channels_last)


STRONG = AugmentConfig(
    crop_padding=2, crop_fill="reflect", horizontal_flip="alternating", cutout=0, color_jitter=0, mixup=0.2, cutmix=1.0,
    mix_share=0.8, trivial_augment=True, random_erasing=0.5,
)  # fmt: skip


@pytest.mark.parametrize("augment", [NONE, ALL, STRONG], ids=["order only", "everything", "strong"])
def test_an_epoch_depends_on_seed_and_epoch_alone(augment: AugmentConfig) -> None:
    def batches(seed: int = 1) -> EpochBatches:
        return EpochBatches(_split(), 8, augment=augment, classes=50, seed=seed)

    resumed, straight = batches(), batches()
    _epoch(straight, 0)
    _epoch(straight, 1)
    for (x, y), (x2, y2) in zip(_epoch(straight, 2), _epoch(resumed, 2), strict=True):
        assert torch.equal(x, x2)
        assert torch.equal(y, y2)
    first = _epoch(batches(), 0)[0][0]
    assert not torch.equal(first, _epoch(batches(), 1)[0][0])
    assert not torch.equal(first, _epoch(batches(seed=2), 0)[0][0])


def test_training_batches_are_full_and_without_repetition() -> None:
    labels = [y for _, y in EpochBatches(_split(), 8, augment=NONE)]
    assert [len(y) for y in labels] == [8] * 6
    assert len(set(torch.cat(labels).tolist())) == 48
    assert [len(y) for _, y in EpochBatches(_split(5), 8, augment=NONE)] == [5], (
        "a batch is never larger than the split"
    )


def test_evaluation_batches_are_the_split_in_order() -> None:
    batches = list(EpochBatches(_split(), 8))
    assert len(batches) == len(EpochBatches(_split(), 8)) == 7
    assert torch.cat([y for _, y in batches]).tolist() == list(range(50))
    assert torch.equal(torch.cat([x for x, _ in batches]), normalize(_split().images))


def test_processes_share_an_epoch() -> None:
    parts = [EpochBatches(_split(), 8, augment=NONE, rank=rank, world_size=2) for rank in range(2)]
    seen = [torch.cat([y for _, y in part]).tolist() for part in parts]
    assert len(seen[0]) == len(seen[1]) == 24
    assert not set(seen[0]) & set(seen[1])
    evaluated = [torch.cat([y for _, y in EpochBatches(_split(), 8, rank=rank, world_size=2)]) for rank in range(2)]
    assert sorted(torch.cat(evaluated).tolist()) == list(range(50))


@given(seed=st.integers(0, 2**32), padding=st.integers(0, 4), flip=st.booleans())
def test_shifted_images_are_crops_of_the_padded_image_or_its_mirror(seed: int, padding: int, flip: bool) -> None:
    images = _images(4, size=5)
    for fill, mode in (("black", "constant"), ("reflect", "reflect")):
        moved = shift_and_flip(images, padding, fill, flip, np.random.default_rng(seed)).numpy()
        for image, result in zip(images.numpy(), moved, strict=True):
            border = ((padding, padding), (padding, padding), (0, 0))
            variants = [image, image[:, ::-1]] if flip else [image]
            padded = [np.pad(variant, border, mode=mode) for variant in variants]
            crops = [
                p[top : top + 5, left : left + 5]
                for p in padded
                for top in range(2 * padding + 1)
                for left in range(2 * padding + 1)
            ]
            assert any(np.array_equal(result, crop) for crop in crops)


def test_half_of_the_images_are_flipped_and_all_shifts_occur() -> None:
    images = torch.arange(5, dtype=torch.uint8).add(1).expand(2000, 5, 5)[..., None].contiguous()
    flipped = shift_and_flip(images, 0, "black", True, _rng())[:, 0, 0, 0] == 5
    assert 0.45 < flipped.float().mean() < 0.55
    shifted = shift_and_flip(images, 1, "black", False, _rng())[:, 2, 2, 0]
    assert sorted(set(shifted.tolist())) == [2, 3, 4]


def test_cutout_paints_one_square_grey() -> None:
    images = torch.zeros(300, 9, 9, 3, dtype=torch.uint8)
    painted = (cutout(images, 4, _rng()) == 128).numpy()
    assert (painted.all(axis=3) == painted.any(axis=3)).all(), "all channels alike"
    areas = set()
    for mask in painted[..., 0]:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert 2 <= len(rows) <= 4
        areas.add(int(mask.sum()))
    assert max(areas) == 16
    assert len(areas) > 1, "some squares reach over the border"


def test_color_jitter_scales_brightness_of_grey_images_within_its_strength() -> None:
    flat = torch.full((200, 4, 4, 1), 100, dtype=torch.uint8)
    result = jitter_color(flat, 0.2, _rng()).float()
    assert result.std(dim=(1, 2, 3)).max() == 0, "a flat image stays flat"
    assert 80 <= result.min() < 85
    assert 115 < result.max() <= 120
    assert jitter_color(_images(), 0.5, _rng()).dtype == torch.uint8


def test_mixup_blends_images_and_labels_alike() -> None:
    x = torch.eye(6)[:, :, None, None]
    mixed, targets = mixup(x, torch.arange(6), 0.5, 6, _rng())
    assert torch.allclose(mixed[:, :, 0, 0], targets)
    assert torch.allclose(targets.sum(1), torch.ones(6))
    assert targets.max() < 1


def test_mixup_without_the_number_of_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="mixup"):
        EpochBatches(_split(), 8, augment=ALL)


@pytest.mark.parametrize("key", ["crop_padding", "cutout"])
def test_augmentation_larger_than_the_image_is_refused(data_config: Callable[..., DataConfig], key: str) -> None:
    with pytest.raises(ValueError, match=f"augment.{key} must be smaller"):
        data_config("digits", augment={**NONE.model_dump(), key: 16})


def test_lightning_sets_the_epoch_also_after_a_resume(tmp_path: Path, data_config: Callable[..., DataConfig]) -> None:
    import pytorch_lightning as pl  # noqa: PLC0415  (seconds to import, needed here alone)

    from tinyformer.data.datamodule import ImageDataModule  # noqa: PLC0415

    config = data_config("digits", train_limit=64)
    prepare_dataset(config, 0, tmp_path / "digits")

    class Recorder(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.seen: list[tuple[int, float]] = []

        def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> torch.Tensor:
            self.seen.append(
                (self.current_epoch, float((batch[0].double() * (1 + batch[1][:, None, None, None])).sum()))
            )
            return self.weight.sum()

        def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> None:
            assert batch[1].dtype == torch.int64

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 0.1)

    def fit(epochs: int, resume: Path | None = None) -> list[tuple[int, float]]:
        model, splits = Recorder(), load_splits(tmp_path / "digits").without_test()
        trainer = pl.Trainer(
            max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, default_root_dir=tmp_path,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(model, datamodule=ImageDataModule(splits, config, 16, seed=7), ckpt_path=resume)
        trainer.save_checkpoint(tmp_path / f"{epochs}.ckpt")
        return model.seen

    straight = fit(4)
    first, second = fit(2), fit(4, tmp_path / "2.ckpt")
    assert first + second == straight
    assert len({value for _, value in straight}) == 16, "every batch of every epoch differs"


def test_sampled_images_are_the_seeds_own_and_never_repeat() -> None:
    split = Split(np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1), np.zeros(10, np.int64))
    drawn = sample_images(split, 6, seed=3)
    assert drawn.shape == (6, 1, 1, 1)
    assert len(set(drawn.flatten().tolist())) == 6
    assert torch.equal(sample_images(split, 8, seed=3)[:6], drawn)
    assert torch.equal(sample_images(split, 99, seed=3).sort(dim=0).values, normalize(split.images))


def test_an_alternating_flip_shows_every_image_both_ways_in_two_epochs() -> None:
    images = np.zeros((40, 4, 4, 1), np.uint8)
    images[:, :, 0] = np.arange(1, 41).reshape(-1, 1, 1)
    augment = NONE.model_copy(update={"horizontal_flip": "alternating"})
    batches = EpochBatches(Split(images, np.arange(40)), 40, augment=augment, seed=5)
    seen = [{int(y): bool(x[0, 0, 0] == -1) for x, y in zip(*_epoch(batches, i)[0], strict=True)} for i in range(3)]
    assert all(seen[0][i] != seen[1][i] and seen[0][i] == seen[2][i] for i in range(40))
    assert 5 < sum(seen[0].values()) < 35


def test_cutmix_labels_are_the_areas() -> None:
    x = torch.arange(12.0)[:, None, None, None].expand(12, 1, 16, 16).contiguous()
    mixed, targets = cutmix(x, torch.arange(12), 1.0, 12, _rng())
    for i in range(12):
        areas = torch.bincount(mixed[i].flatten().long(), minlength=12) / 256
        torch.testing.assert_close(areas, targets[i])
    assert bool((targets.max(dim=1).values < 1).any())


def test_erasing_hides_rectangles_in_the_share_of_the_images() -> None:
    images = torch.zeros(1000, 16, 16, 1, dtype=torch.uint8)
    hidden = (erase(images, 0.5, _rng()) == 128).flatten(1).float().mean(dim=1)
    assert 0.4 < (hidden > 0).float().mean() < 0.6
    assert hidden.max() < 0.45


@pytest.mark.parametrize("channels", [1, 3])
def test_trivial_augment_changes_most_images_and_stays_in_range(channels: int) -> None:
    images = _images(30 * len(OPERATIONS), channels=channels)
    result = trivial_augment(images, _rng())
    assert result.dtype == torch.uint8
    assert result.shape == images.shape
    changed = (result != images).flatten(1).any(dim=1).float().mean()
    assert 0.7 < changed < 0.99, "the identity is one of the operations"


def test_equalizing_spreads_the_grey_levels_and_geometry_uncovers_grey() -> None:
    ramp = torch.arange(64, dtype=torch.uint8).reshape(1, 8, 8, 1).add(90).expand(400, 8, 8, 1).contiguous()
    result = trivial_augment(ramp, _rng()).flatten(1).float()
    spread = result.amax(dim=1) - result.amin(dim=1)
    assert bool((spread > 250).any()), "autocontrast and equalization use the whole range"
    assert bool(((result == 128).float().mean(dim=1) > 0.5).any()), "a large translation leaves little"
