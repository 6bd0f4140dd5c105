# SPDX-License-Identifier: Apache-2.0
"""A user's own feature maps, such as the log-mel spectrograms of spoken words: an .npz file of numbers, no pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyformer.config.data import DataConfig
from tinyformer.data.sources.archive import read_archive
from tinyformer.data.sources.base import LabelledImages, resolve_root
from tinyformer.errors import TinyFormerError
from tinyformer.ir.pixels import pixels_of

Range = tuple[float, float]


def load(config: DataConfig) -> LabelledImages:
    """Feature maps of ``data.root`` as images of bytes.

    The .npz file holds ``features`` (N, H, W) or (N, H, W, C), floating point, uint8 or int8, and ``labels`` (N,),
    optionally ``test_features``, ``test_labels`` and ``classes``. Floats in ``data.feature_range`` (the least and the
    largest of ``features`` where that is null) become 0 to 255; int8 is shifted by 128. Maps are padded on the right
    and below with 0, the least byte, to squares of ``data.image_size``. Raises TinyFormerError naming what is wrong.
    """
    path = resolve_root(config.root) if config.root is not None else None
    if path is None or not path.is_file() or path.suffix != ".npz":
        raise TinyFormerError(
            f"data.root={config.root} is no .npz file: name one with arrays 'features' and 'labels', e.g. "
            "data.root=/path/to/spectrograms.npz."
        )
    archive = read_archive(path, "features")
    features = _checked(archive.samples, "features", path, config)
    value_range = _value_range(features, path, config)
    test = archive.test_samples
    return LabelledImages(
        images=_bytes(features, value_range, config),
        labels=archive.labels,
        classes=archive.classes,
        origin=f"features {path.name}, {features.shape[1]}x{features.shape[2]}",
        test_images=None if test is None else _test_bytes(test, features, value_range, path, config),
        test_labels=archive.test_labels,
        value_range=value_range,
    )


def _checked(features: NDArray[Any], key: str, path: Path, config: DataConfig) -> NDArray[Any]:
    """``features`` as (N, H, W, C) of a type and shape that the configuration takes."""
    maps = features[..., None] if features.ndim == 3 else features
    known = np.issubdtype(maps.dtype, np.floating) or maps.dtype in (np.uint8, np.int8)
    if maps.ndim != 4 or not known:
        raise TinyFormerError(
            f"'{key}' of {path} is {features.dtype} {features.shape}: it must be floating point, uint8 or int8, "
            "(N, H, W) or (N, H, W, C)."
        )
    height, width, channels = maps.shape[1:]
    if channels != config.channels:
        raise TinyFormerError(f"'{key}' of {path} has {channels} channel(s): set data.channels (1 or 3) to that.")
    if max(height, width) > config.image_size:
        raise TinyFormerError(
            f"'{key}' of {path} are maps of {height}x{width}, larger than data.image_size={config.image_size}: "
            f"networks take square inputs, and smaller sides are padded; set data.image_size={max(height, width)}."
        )
    if not np.isfinite(maps).all():
        raise TinyFormerError(f"'{key}' of {path} holds numbers that are not finite: remove or replace them.")
    return maps


def _value_range(features: NDArray[Any], path: Path, config: DataConfig) -> Range | None:
    """The values that become 0 and 255; None for bytes."""
    if not np.issubdtype(features.dtype, np.floating):
        if config.feature_range is not None:
            raise TinyFormerError(f"'features' of {path} are bytes already: set data.feature_range to null.")
        return None
    low, high = config.feature_range or (float(features.min()), float(features.max()))
    if low >= high:
        raise TinyFormerError(f"'features' of {path} are all {low:g}: there is nothing to tell classes apart by.")
    return low, high


def _bytes(features: NDArray[Any], value_range: Range | None, config: DataConfig) -> NDArray[np.uint8]:
    """(N, H, W, C) as uint8 (N, image_size, image_size, C)."""
    if features.dtype == np.int8:
        features = features.view(np.uint8) ^ 128
    elif value_range is not None:
        features = pixels_of(features, value_range)
    count, height, width, channels = features.shape
    images = np.zeros((count, config.image_size, config.image_size, channels), np.uint8)
    images[:, :height, :width] = features
    return images


def _test_bytes(
    test: NDArray[Any], features: NDArray[Any], value_range: Range | None, path: Path, config: DataConfig
) -> NDArray[np.uint8]:
    maps = _checked(test, "test_features", path, config)
    if maps.shape[1:] != features.shape[1:] or maps.dtype != features.dtype:
        raise TinyFormerError(
            f"'test_features' of {path} is {maps.dtype} {maps.shape[1:]}, 'features' {features.dtype} "
            f"{features.shape[1:]}: make them alike."
        )
    return _bytes(maps, value_range, config)
