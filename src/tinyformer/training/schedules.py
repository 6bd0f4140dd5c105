"""Quantities that change over a training run, as pure functions of its progress: nothing to save, nothing to restore."""

from __future__ import annotations

import math


def warmup_cosine(step: int, total: int, warmup: float) -> float:
    """Factor on the peak learning rate: linear up to 1 over ``warmup`` steps, then half a cosine down to 0 at ``total``.

    Loshchilov and Hutter, arXiv 1608.03983, without restarts. Neither the first nor the last step's factor is 0.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1.0, total - warmup)
    return (1 + math.cos(math.pi * min(1.0, progress))) / 2


def cubic_ramp(progress: float) -> float:
    """0 at progress 0, 1 at progress 1, steep first: the sparsity schedule of Zhu and Gupta, arXiv 1710.01878."""
    return 1 - (1 - min(max(progress, 0.0), 1.0)) ** 3
