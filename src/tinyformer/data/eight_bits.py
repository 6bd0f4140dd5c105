# SPDX-License-Identifier: Apache-2.0
"""Images as people save them, as what networks see: 8 bits a channel, upright, grey or RGB, nothing transparent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

MOST_PIXELS = 50_000_000
"""Of one image: a file of few bytes may unfold to more than memory holds."""

_WHITE = (255, 255, 255, 255)
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
_TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
_FULL_SCALE = 65535


def eight_bits(image: Image.Image) -> Image.Image:
    """The image in mode "L" or "RGB".

    It is turned as its EXIF orientation says; what is transparent shows white; 16 bits are scaled to 8; floating-point
    levels are those of 0 to 1, or of 0 to 255 if one exceeds 1. Raises ValueError saying why it cannot be:
    animation, too many pixels, levels of another range.
    """
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise ValueError(f"it holds {frames} frames; save the one to use in a file of its own")
    if image.width * image.height > MOST_PIXELS:
        raise ValueError(f"its {image.width}x{image.height} pixels are more than {MOST_PIXELS:,}")
    upright = ImageOps.exif_transpose(image)
    if upright.mode in _SIXTEEN_BITS or upright.mode in ("I", "F"):
        return Image.fromarray(levels(np.asarray(upright)))
    if upright.mode in _TRANSPARENT or "transparency" in upright.info:
        coloured = upright.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", coloured.size, _WHITE), coloured).convert("RGB")
    if upright.mode in ("1", "L"):
        return upright.convert("L")
    return upright.convert("RGB")


def levels(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey levels or colours of any type as bytes, by the rules of :func:`eight_bits`.

    uint16 and wider integers are levels of 16 bits. Raises ValueError for other ranges and types.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(values.dtype, np.integer):
        if values.size and (values.min() < 0 or values.max() > _FULL_SCALE):
            raise ValueError(f"its levels of {values.min()} to {values.max()} are not those of 8 or 16 bits")
        return ((values.astype(np.uint32) * 255 + _FULL_SCALE // 2) // _FULL_SCALE).astype(np.uint8)
    if not np.issubdtype(values.dtype, np.floating):
        raise ValueError(f"levels of type {values.dtype} are unknown")
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if not (low >= 0 and high <= 255):  # false for what is no number, too
        raise ValueError(f"its floating-point levels of {low:g} to {high:g} are neither 0 to 1 nor 0 to 255")
    return np.rint(values * (255.0 if high <= 1 else 1.0)).astype(np.uint8)
