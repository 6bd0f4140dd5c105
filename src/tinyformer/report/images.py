# SPDX-License-Identifier: Apache-2.0
"""Images inside a page."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_COLOURS = 3


def data_uri(image: NDArray[np.uint8], largest: int = 96) -> str:
    """``image`` (H, W, C) as PNG in a ``data:`` address, scaled down to at most ``largest`` pixels a side.

    Three channels are colours; of any other number the first is shown in grey.
    """
    pixels = image if image.shape[-1] == _COLOURS else image[..., 0]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((largest, largest))
    file = io.BytesIO()
    picture.save(file, format="png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
