# SPDX-License-Identifier: Apache-2.0
"""Images as the network sees them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from tinyformer.data.splits import Split
from tinyformer.ir.pixels import PIXELS


def normalize(images: NDArray[np.uint8] | torch.Tensor) -> torch.Tensor:
    """uint8 (N, H, W, C) to float32 (N, C, H, W) by the rule of :data:`~tinyformer.ir.pixels.PIXELS`.

    In memory the result is channels-last.
    """
    pixels = torch.as_tensor(images)
    return pixels.permute(0, 3, 1, 2).to(torch.float32, copy=True).sub_(PIXELS.offset).mul_(PIXELS.scale)


def sample_images(split: Split, count: int, seed: int) -> torch.Tensor:
    """``count`` images of ``split`` (or all it has), drawn by ``seed`` and normalized: float32 (count, C, H, W)."""
    rows = np.random.default_rng(seed).permutation(len(split))[:count]
    return normalize(split.images[rows])
