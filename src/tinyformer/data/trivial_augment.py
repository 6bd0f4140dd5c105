# SPDX-License-Identifier: Apache-2.0
"""TrivialAugment, wide space: an operation of random strength for each image (arXiv 2103.10158)."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from tinyformer.data.transfer import to_device

_GEOMETRIC = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
_BLENDS = ("brightness", "color", "contrast", "sharpness")
_MAPS = ("posterize", "solarize", "autocontrast", "equalize")
OPERATIONS = ("identity", *_GEOMETRIC, *_BLENDS, *_MAPS)

_GREY = 128
_LUMA = (0.299, 0.587, 0.114)


def trivial_augment(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """uint8 (B, H, W, C) to uint8: each image gets one of :data:`OPERATIONS`, its strength uniform.

    What a geometric operation uncovers is mid-grey.
    """
    batch = len(images)
    choice = rng.integers(0, len(OPERATIONS), batch)
    strength = rng.uniform(-1, 1, batch)
    pixels = images.permute(0, 3, 1, 2).float()
    for names, apply in ((_GEOMETRIC, _geometric), (_BLENDS, _blend), (_MAPS, _map)):
        numbers = [OPERATIONS.index(name) for name in names]
        rows = np.flatnonzero(np.isin(choice, numbers))
        if len(rows):
            at = to_device(rows, images.device)
            pixels[at] = apply(pixels[at], choice[rows] - numbers[0], strength[rows])
    return pixels.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _geometric(x: torch.Tensor, kind: NDArray[np.int64], strength: NDArray[np.float64]) -> torch.Tensor:
    """Shear by up to 0.99, translation by up to a whole image, rotation by up to 135 degrees; nearest pixel."""
    size = x.shape[2]
    matrix = np.tile(np.eye(2, 3), (len(x), 1, 1))
    translation = 2 * np.minimum(32, size) / size  # 32 pixels in the coordinates of affine_grid, at most the image
    for i, (operation, amount) in enumerate(zip(kind, strength, strict=True)):
        match _GEOMETRIC[operation]:
            case "shear_x":
                matrix[i, 0, 1] = 0.99 * amount
            case "shear_y":
                matrix[i, 1, 0] = 0.99 * amount
            case "translate_x":
                matrix[i, 0, 2] = translation * amount
            case "translate_y":
                matrix[i, 1, 2] = translation * amount
            case "rotate":
                angle = math.radians(135) * amount
                matrix[i, :, :2] = ((math.cos(angle), -math.sin(angle)), (math.sin(angle), math.cos(angle)))
    grid = F.affine_grid(to_device(matrix.astype(np.float32), x.device), list(x.shape), align_corners=False)
    return F.grid_sample(x - _GREY, grid, mode="nearest", padding_mode="zeros", align_corners=False) + _GREY


def _blend(x: torch.Tensor, kind: NDArray[np.int64], strength: NDArray[np.float64]) -> torch.Tensor:
    """Away from or towards black, grey, the mean grey, or a smoothed image, by a factor in 0.01 .. 1.99."""
    grey = _grey(x)
    colorless = grey.expand_as(x)
    flat = grey.mean(dim=(2, 3), keepdim=True).expand_as(x)
    candidates = torch.stack([torch.zeros_like(x), colorless, flat, _smooth(x)], dim=1)
    rows = torch.arange(len(x), device=x.device)
    base = candidates[rows, to_device(kind, x.device)]
    factor = to_device((1 + 0.99 * strength).astype(np.float32), x.device)[:, None, None, None]
    return (base + factor * (x - base)).clamp(0, 255)


def _map(x: torch.Tensor, kind: NDArray[np.int64], strength: NDArray[np.float64]) -> torch.Tensor:
    """Fewer bits (8 down to 2), inversion above a threshold, stretched or equalized histograms."""
    share = to_device(np.abs(strength).astype(np.float32), x.device)[:, None, None, None]
    step = torch.exp2((share * 6).round())
    posterized = (x / step).floor() * step
    solarized = torch.where(x >= 255 * (1 - share), 255 - x, x)
    low, high = x.amin(dim=(2, 3), keepdim=True), x.amax(dim=(2, 3), keepdim=True)
    stretched = torch.where(high > low, (x - low) * 255 / (high - low).clamp(min=1), x)
    candidates = torch.stack([posterized, solarized, stretched, _equalize(x)], dim=1)
    return candidates[torch.arange(len(x), device=x.device), to_device(kind, x.device)]


def _grey(x: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) -> luma (N, 1, H, W)."""
    if x.shape[1] == 1:
        return x
    return (x * torch.tensor(_LUMA, dtype=x.dtype, device=x.device)[:, None, None]).sum(dim=1, keepdim=True)


def _smooth(x: torch.Tensor) -> torch.Tensor:
    """Weighted mean of the 3x3 neighbourhood (the centre counts 5 of 13); the border stays."""
    kernel = torch.ones(3, 3, dtype=x.dtype, device=x.device)
    kernel[1, 1] = 5
    channels = x.shape[1]
    result = x.clone()
    result[:, :, 1:-1, 1:-1] = F.conv2d(x, (kernel / 13).expand(channels, 1, 3, 3), groups=channels)
    return result


def _equalize(x: torch.Tensor) -> torch.Tensor:
    """Histogram equalization, channel by channel: every grey level about as often as any other."""
    flat = x.flatten(2).long()
    counts = torch.zeros(*flat.shape[:2], 256, dtype=torch.long, device=x.device)
    counts.scatter_add_(2, flat, torch.ones_like(flat))
    pixels = flat.shape[2]
    brightest = counts.gather(2, flat.amax(dim=2, keepdim=True))
    step = (pixels - brightest) // 255
    before = counts.cumsum(dim=2) - counts
    table = ((before + step // 2) // step.clamp(min=1)).clamp(max=255)
    levels = torch.arange(256, device=x.device).expand_as(table)
    table = torch.where(step > 0, table, levels)
    return table.gather(2, flat).reshape(x.shape).to(x.dtype)
