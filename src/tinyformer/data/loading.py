"""Batches for torch (Lightning: ``data.datamodule``): normalization, deterministic order, augmentation.

Everything random is derived from (seed, epoch, batch) and drawn by NumPy on the host, so that a resumed run, another
number of batches per step or another device sees the same data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from tinyformer.config.data import AugmentConfig
from tinyformer.data.splits import Split

_GREY = 128
"""The pixel that the network sees as zero."""


def normalize(images: NDArray[np.uint8] | torch.Tensor) -> torch.Tensor:
    """uint8 (N, H, W, C) to float32 (N, C, H, W): ``(pixel - 128) / 128``. In memory the result is channels-last."""
    pixels = torch.as_tensor(images)
    return pixels.permute(0, 3, 1, 2).to(torch.float32, copy=True).sub_(_GREY).div_(_GREY)


def sample_images(split: Split, count: int, seed: int) -> torch.Tensor:
    """``count`` images of ``split`` (or all it has), drawn by ``seed`` and normalized: float32 (count, C, H, W)."""
    rows = np.random.default_rng(seed).permutation(len(split))[:count]
    return normalize(split.images[rows])


class EpochBatches:
    """Batches of one split, shuffled and augmented anew each epoch; iterate after :meth:`set_epoch`.

    Yields (x float32 (B, C, H, W), y): ``y`` holds labels int64 (B,), with mixup probabilities float32 (B, classes);
    torch's cross-entropy takes both. Without ``augment`` the order is that of the split, every image once, the last
    batch smaller; with it the order is random and the last, incomplete batch is left out (unless it is the only one).
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        *,
        augment: AugmentConfig | None = None,
        classes: int | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        """``classes`` is needed for mixup. Of ``world_size`` processes, the one of that ``rank`` takes every
        world_size-th image."""
        if augment is not None and augment.mixup > 0 and classes is None:
            raise ValueError("mixup needs the number of classes")
        self.images = torch.as_tensor(split.images, device=device)
        self.labels = torch.as_tensor(split.labels, device=device)
        self.batch_size = batch_size
        self.augment = augment
        self.classes = classes
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    @property
    def batch_sampler(self) -> SimpleNamespace:
        """Lightning calls ``batch_sampler.sampler.set_epoch`` before each epoch."""
        return SimpleNamespace(sampler=self)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration delivers."""
        self.epoch = epoch

    def __len__(self) -> int:
        if self.augment is None:
            return math.ceil(len(range(self.rank, len(self.labels), self.world_size)) / self.batch_size)
        return max(1, len(self.labels) // self.world_size // self.batch_size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = self._order()
        for index in range(len(self)):
            yield self._batch(order[index * self.batch_size : (index + 1) * self.batch_size], index)

    def _order(self) -> torch.Tensor:
        count = len(self.labels)
        if self.augment is None:
            order = np.arange(count)
        else:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(count)
            # Processes must agree on the number of batches.
            order = order[: max(count // self.world_size, 1) * self.world_size]
        return torch.as_tensor(order[self.rank :: self.world_size].copy(), device=self.images.device)

    def _batch(self, rows: torch.Tensor, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels = self.images[rows], self.labels[rows]
        if self.augment is None:
            return normalize(images), labels
        rng = np.random.default_rng([self.seed, self.epoch, self.rank, index])
        images = shift_and_flip(
            images, self.augment.crop_padding, self.augment.crop_fill, self.augment.horizontal_flip, rng
        )
        images = jitter_color(images, self.augment.color_jitter, rng)
        images = cutout(images, self.augment.cutout, rng)
        return mixup(normalize(images), labels, self.augment.mixup, self.classes or 0, rng)


def shift_and_flip(images: torch.Tensor, padding: int, fill: str, flip: bool, rng: np.random.Generator) -> torch.Tensor:
    """Shift each image (B, H, W, C) by up to ``padding`` pixels on both axes and mirror half of them: one gather for
    both.

    ``fill`` is "black" or "reflect" (mirrored without repeating the border pixel).
    """
    if not padding and not flip:
        return images
    batch, height, width, channels = images.shape
    offsets = _on(rng.integers(-padding, padding + 1, size=(2, batch, 1)), images)
    mirrored = _on(rng.random((batch, 1)) < (0.5 if flip else 0.0), images)
    rows = torch.arange(height, device=images.device) + offsets[0]
    columns = torch.arange(width, device=images.device).expand(batch, width)
    columns = torch.where(mirrored, width - 1 - columns, columns) + offsets[1]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    rows, columns = _mirror(rows, height), _mirror(columns, width)
    first_rows = torch.arange(batch, device=images.device)[:, None] * height
    pixels = ((first_rows + rows)[:, :, None] * width + columns[:, None, :]).flatten()
    # One index_select over all pixels is several times faster than indexing with [...].
    moved = images.reshape(-1, channels).index_select(0, pixels).reshape(images.shape)
    return moved * inside[..., None] if fill == "black" else moved


def jitter_color(images: torch.Tensor, strength: float, rng: np.random.Generator) -> torch.Tensor:
    """Scale brightness, then contrast about the image's mean, then (RGB) saturation about its grey, each by 1 +-
    ``strength``."""
    if not strength:
        return images
    factors = _on(rng.uniform(1 - strength, 1 + strength, size=(3, len(images), 1, 1, 1)).astype(np.float32), images)
    pixels = images.float() * factors[0]
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    pixels = mean + (pixels - mean) * factors[1]
    if images.shape[3] == 3:
        grey = pixels.mean(dim=3, keepdim=True)
        pixels = grey + (pixels - grey) * factors[2]
    return pixels.round_().clamp_(0, 255).to(torch.uint8)


def cutout(images: torch.Tensor, side: int, rng: np.random.Generator) -> torch.Tensor:
    """Paint one square of ``side`` pixels grey in each image; its centre is anywhere, so that parts may fall
    outside."""
    if not side:
        return images
    batch, height, width, _ = images.shape
    top = _on(rng.integers(0, height, size=(batch, 1)), images) - side // 2
    left = _on(rng.integers(0, width, size=(batch, 1)), images) - side // 2
    rows = torch.arange(height, device=images.device) - top
    columns = torch.arange(width, device=images.device) - left
    hidden = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]
    return images.masked_fill(hidden[..., None], _GREY)


def mixup(
    x: torch.Tensor, labels: torch.Tensor, alpha: float, classes: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Blend the batch with a shuffled copy of itself by one factor from Beta(alpha, alpha); labels become probabilities
    (B, classes)."""
    if not alpha:
        return x, labels
    share = float(rng.beta(alpha, alpha))
    partner = _on(rng.permutation(len(x)), x)
    targets = F.one_hot(labels, classes).float()
    return share * x + (1 - share) * x[partner], share * targets + (1 - share) * targets[partner]


def _mirror(positions: torch.Tensor, size: int) -> torch.Tensor:
    """Positions reflected into [0, size); at most one reflection, as shifts are smaller than the image."""
    return (size - 1) - ((size - 1) - positions.abs()).abs()


def _on(values: NDArray, like: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(values, device=like.device)
