# SPDX-License-Identifier: Apache-2.0
"""Random changes of a batch of training images, as tensor operations on whatever device holds the images.

What is random is drawn by NumPy on the host from the generator handed in, so that another device sees the same draws.
An augmentation that is switched off draws nothing.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from tinyformer.config.data import AugmentConfig
from tinyformer.data.transfer import to_device
from tinyformer.data.trivial_augment import trivial_augment
from tinyformer.ir.pixels import PIXELS

GREY = int(PIXELS.offset)
"""The pixel that the network sees as zero."""


def augment_pixels(
    images: torch.Tensor, config: AugmentConfig, rng: np.random.Generator, mirrored: torch.Tensor | None = None
) -> torch.Tensor:
    """uint8 images (B, H, W, C) shifted, flipped, recoloured and partly hidden as ``config`` says, uint8 again.

    ``mirrored`` (bool, (B,)) says which images are mirrored where that is not left to chance.
    """
    flip = config.horizontal_flip is True
    images = shift_and_flip(images, config.crop_padding, config.crop_fill, flip, rng, mirrored)
    images = jitter_color(images, config.color_jitter, rng)
    if config.trivial_augment:
        images = trivial_augment(images, rng)
    images = cutout(images, config.cutout, rng)
    return erase(images, config.random_erasing, rng)


def mix(
    x: torch.Tensor, labels: torch.Tensor, config: AugmentConfig, classes: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mixup or CutMix of a share ``config.mix_share`` of all batches; where both are on, one of the two by chance.

    ``x`` float32 (B, C, H, W), ``labels`` (B,); labels become probabilities (B, classes) where either is on.
    """
    if config.mixup and not config.cutmix and config.mix_share == 1:
        return mixup(x, labels, config.mixup, classes, rng)
    if not config.mixup and not config.cutmix:
        return x, labels
    if rng.random() >= config.mix_share:
        return x, one_hot(labels, classes)
    if config.mixup and (not config.cutmix or rng.random() < 0.5):
        return mixup(x, labels, config.mixup, classes, rng)
    return cutmix(x, labels, config.cutmix, classes, rng)


def shift_and_flip(
    images: torch.Tensor,
    padding: int,
    fill: str,
    flip: bool,
    rng: np.random.Generator,
    mirrored: torch.Tensor | None = None,
) -> torch.Tensor:
    """Shift each image (B, H, W, C) by up to ``padding`` pixels on both axes and mirror half of them: one gather for
    both.

    ``fill`` is "black" or "reflect" (mirrored without repeating the border pixel). ``mirrored`` (bool, (B,)) names the
    images to mirror in place of a random half.
    """
    if not padding and not flip and mirrored is None:
        return images
    batch, height, width, channels = images.shape
    offsets = to_device(rng.integers(-padding, padding + 1, size=(2, batch, 1)), images.device)
    chance = to_device(rng.random((batch, 1)) < (0.5 if flip else 0.0), images.device)
    mirrored = chance if mirrored is None else mirrored[:, None]
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
    factors = to_device(
        rng.uniform(1 - strength, 1 + strength, size=(3, len(images), 1, 1, 1)).astype(np.float32), images.device
    )
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
    top = to_device(rng.integers(0, height, size=(batch, 1)), images.device) - side // 2
    left = to_device(rng.integers(0, width, size=(batch, 1)), images.device) - side // 2
    rows = torch.arange(height, device=images.device) - top
    columns = torch.arange(width, device=images.device) - left
    hidden = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]
    return images.masked_fill(hidden[..., None], GREY)


def mixup(
    x: torch.Tensor, labels: torch.Tensor, alpha: float, classes: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Blend the batch with a shuffled copy of itself by one factor from Beta(alpha, alpha); labels become probabilities
    (B, classes)."""
    if not alpha:
        return x, labels
    share = float(rng.beta(alpha, alpha))
    partner = to_device(rng.permutation(len(x)), x.device)
    targets = one_hot(labels, classes)
    return share * x + (1 - share) * x[partner], share * targets + (1 - share) * targets[partner]


def cutmix(
    x: torch.Tensor, labels: torch.Tensor, alpha: float, classes: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Paste into each image one rectangle of another; labels mix by area (Yun et al., arXiv 1905.04899).

    The share kept is drawn from Beta(alpha, alpha), image by image; a rectangle that reaches over the border counts by
    what is pasted.
    """
    batch, _, height, width = x.shape
    side = np.sqrt(1 - rng.beta(alpha, alpha, batch))
    partner = to_device(rng.permutation(batch), x.device)
    rows = _inside(rng.integers(0, height, batch), side * height, height)
    columns = _inside(rng.integers(0, width, batch), side * width, width)
    pasted = to_device(rows[:, :, None] & columns[:, None, :], x.device)
    kept = 1 - pasted.float().mean(dim=(1, 2))[:, None]
    targets = one_hot(labels, classes)
    return torch.where(pasted[:, None], x[partner], x), kept * targets + (1 - kept) * targets[partner]


def erase(images: torch.Tensor, probability: float, rng: np.random.Generator) -> torch.Tensor:
    """Paint one rectangle of 2 to 33 % of the area grey in a share ``probability`` of the images (B, H, W, C).

    Zhong et al., arXiv 1708.04896, with the grey that the network sees as zero.
    """
    if not probability:
        return images
    batch, height, width, _ = images.shape
    area = rng.uniform(0.02, 0.33, batch) * (rng.random(batch) < probability)
    ratio = np.exp(rng.uniform(np.log(0.3), np.log(1 / 0.3), batch))
    rows = _inside(rng.integers(0, height, batch), np.sqrt(area * ratio) * height, height)
    columns = _inside(rng.integers(0, width, batch), np.sqrt(area / ratio) * width, width)
    hidden = to_device(rows[:, :, None] & columns[:, None, :], images.device)
    return images.masked_fill(hidden[..., None], GREY)


def one_hot(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """(B,) -> float32 (B, classes). ``torch``'s own looks at the labels first, for which a GPU must come to rest."""
    return (labels[:, None] == torch.arange(classes, device=labels.device)).float()


def _inside(centre: NDArray[np.int64], length: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    """(B, size): the positions within ``length`` (rounded) around each ``centre``; parts may fall outside."""
    whole = np.rint(length).astype(np.int64)
    offset = np.arange(size) - (centre - whole // 2)[:, None]
    return (offset >= 0) & (offset < whole[:, None])


def _mirror(positions: torch.Tensor, size: int) -> torch.Tensor:
    """Positions reflected into [0, size); at most one reflection, as shifts are smaller than the image."""
    return (size - 1) - ((size - 1) - positions.abs()).abs()
