# SPDX-License-Identifier: Apache-2.0
"""Bringing images of any size and mode to one size and number of channels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tinyformer.data.eight_bits import eight_bits

_MODES = {1: "L", 3: "RGB"}


def resample(image: Image.Image, size: int, channels: int) -> NDArray[np.uint8]:
    """One image as uint8 (size, size, channels).

    The shorter side is scaled to ``size`` (bilinear, with antialiasing when it shrinks), then the centre is cut out, so
    that nothing is distorted. Colour becomes grey by the luma of ITU-R 601 (Pillow's mode "L"). Raises ValueError for
    what is no still image of known levels (:func:`.eight_bits.eight_bits`).
    """
    converted = eight_bits(image).convert(_MODES[channels])
    scale = size / min(converted.size)
    width, height = (max(size, round(side * scale)) for side in converted.size)
    if (width, height) != converted.size:
        converted = converted.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - size) // 2, (height - size) // 2
    pixels = np.asarray(converted.crop((left, top, left + size, top + size)), dtype=np.uint8)
    return pixels.reshape(size, size, channels)


def resample_array(images: NDArray[np.uint8], size: int, channels: int) -> NDArray[np.uint8]:
    """Images (N, H, W, C) with C of 1, 3 or 4 as uint8 (N, size, size, channels); unchanged where nothing is to do."""
    if images.shape[1:] == (size, size, channels):
        return images
    return stack((resample(to_pillow(image), size, channels) for image in images), len(images), size, channels)


def to_pillow(image: NDArray[np.uint8]) -> Image.Image:
    """uint8 (H, W, C), C of 1, 3 or 4 with transparency, as a Pillow image."""
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def stack(images: Iterable[NDArray[np.uint8]], count: int, size: int, channels: int) -> NDArray[np.uint8]:
    """Collect ``count`` images into one array without holding them twice."""
    result = np.empty((count, size, size, channels), np.uint8)
    for i, image in enumerate(images):
        result[i] = image
    return result
