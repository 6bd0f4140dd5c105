# SPDX-License-Identifier: Apache-2.0
"""scikit-learn's digits: 1,797 images of 8x8 with 17 grey levels, shipped inside the package."""

from __future__ import annotations

import numpy as np

from tinyformer.config.data import DataConfig
from tinyformer.data.resampling import resample_array
from tinyformer.data.sources.base import LabelledImages


def load(config: DataConfig) -> LabelledImages:
    """The digits, their grey levels 0..16 spread over 0..255. There is no official test split."""
    from sklearn.datasets import load_digits  # noqa: PLC0415  (slow to import, needed by this source alone)

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    return LabelledImages(
        images=resample_array(pixels, config.image_size, config.channels),
        labels=digits.target.astype(np.int64),
        classes=tuple(str(digit) for digit in digits.target_names),
        origin="scikit-learn digits (UCI optical recognition of handwritten digits)",
    )
