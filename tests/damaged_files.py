# SPDX-License-Identifier: Apache-2.0
"""Model files as a bad disk or a broken download leaves them."""

from __future__ import annotations

import numpy as np


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """``content`` with one to seven bytes replaced; one time in three, its end is missing, too."""
    data = bytearray(content)
    if rng.random() < 1 / 3:
        del data[int(rng.integers(len(data))) :]
    for position in rng.integers(0, len(data) or 1, int(rng.integers(1, 8))) if data else ():
        data[position] = int(rng.integers(256))
    return bytes(data)
