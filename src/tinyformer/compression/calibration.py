# SPDX-License-Identifier: Apache-2.0
"""What the activations of a float model look like on calibration images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from tinyformer.compression.onnx_runs import batches, expose, session
from tinyformer.compression.ranges import Statistics
from tinyformer.errors import TinyFormerError

BINS = 2048


def observe(
    model: onnx.ModelProto,
    tensors: Sequence[str],
    images: NDArray[np.float32],
    batch_size: int,
    *,
    histograms: bool,
    channel_axes: Mapping[str, int],
) -> dict[str, Statistics]:
    """Statistics of ``tensors`` over ``images`` (N, C, H, W); means per channel along ``channel_axes`` where given.

    Raises :class:`TinyFormerError` if there are no images, or a value is not finite.
    """
    if len(images) == 0:
        raise TinyFormerError("Calibration needs at least one image.")
    if not tensors:
        return {}
    running = session(expose(model, tensors))
    seen: dict[str, Statistics] = {}
    sums: dict[str, NDArray[np.float64]] = {}
    counts: dict[str, int] = {}
    for outputs in batches(running, images, batch_size):
        for name, values in zip(tensors, outputs, strict=True):
            low, high = float(values.min()), float(values.max())
            if not np.isfinite([low, high]).all():
                raise TinyFormerError(
                    f"Activation '{name}' is not finite on the calibration images; train the model anew."
                )
            before = seen.get(name, Statistics(low, high, np.zeros(0, np.int64)))
            seen[name] = Statistics(min(low, before.low), max(high, before.high), before.counts)
            if name in channel_axes:
                rows = np.moveaxis(values, channel_axes[name], -1).reshape(-1, values.shape[channel_axes[name]])
                sums[name] = sums.get(name, 0) + rows.sum(axis=0, dtype=np.float64)
                counts[name] = counts.get(name, 0) + len(rows)
    for name, total in sums.items():
        seen[name].channel_means = total / counts[name]
    if histograms:
        for statistics in seen.values():
            statistics.counts = np.zeros(BINS, np.int64)
        for outputs in batches(running, images, batch_size):
            for name, values in zip(tensors, outputs, strict=True):
                entry = seen[name]
                limits = (entry.low, max(entry.high, np.nextafter(np.float32(entry.low), np.float32(np.inf))))
                entry.counts += np.histogram(values, BINS, limits)[0]
    return seen
