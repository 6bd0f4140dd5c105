# SPDX-License-Identifier: Apache-2.0
"""From a source to the prepared data set on disk."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyformer.config.data import DataConfig
from tinyformer.data.manifest import ArrayFile, Manifest
from tinyformer.data.sources import cifar10, digits, features, image_folder
from tinyformer.data.sources.base import LabelledImages
from tinyformer.data.splitting import split_off, stratified_sample
from tinyformer.errors import TinyFormerError
from tinyformer.keys import content_digest

SOURCES = {
    "digits": digits.load, "cifar10": cifar10.load, "image_folder": image_folder.load, "features": features.load,
}  # fmt: skip

Arrays = dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]


def prepare_dataset(config: DataConfig, seed: int, destination: Path) -> Manifest:
    """Fetch, resample, split and write the data set ``config`` names; the same bytes for the same arguments.

    ``destination`` gets ``<split>_images.npy`` (uint8, N x H x W x C), ``<split>_labels.npy`` (int64) and
    ``manifest.json``; it appears only once complete and replaces what was there. Train, val and test are disjoint; val
    and calibration come from the training images alone, and calibration stays part of train. Raises TinyFormerError
    where the source is missing, damaged or too small.
    """
    source = SOURCES[config.source](config)
    arrays = _split(source, config, np.random.default_rng(seed))
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", dir=destination.parent))
    try:
        manifest = _write(arrays, source, config, seed, partial)
        partial.chmod(0o755)  # mkdtemp makes directories private
        if destination.exists():
            shutil.rmtree(destination)
        partial.rename(destination)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return manifest


def _split(source: LabelledImages, config: DataConfig, rng: np.random.Generator) -> Arrays:
    sizes = np.bincount(source.labels, minlength=len(source.classes))
    if sizes.min() < 3:
        name = source.classes[int(sizes.argmin())]
        raise TinyFormerError(
            f"Class '{name}' has {sizes.min()} image(s) to train on; at least 3 are needed to split off validation and "
            "test: add some or remove the class."
        )
    images, labels = source.images, source.labels
    if source.test_images is not None and source.test_labels is not None:
        test = (source.test_images, source.test_labels)
        pool = np.arange(len(labels))
    else:
        pool, held_out = split_off(labels, _share(config.test_fraction, sizes), rng)
        test = (images[held_out], labels[held_out])
    train, val = split_off(labels[pool], _share(config.validation_fraction, np.bincount(labels[pool])), rng)
    train, val = pool[train], pool[val]
    if config.train_limit is not None and config.train_limit < len(train):
        train = train[stratified_sample(labels[train], config.train_limit, rng)]
    calibration = train[stratified_sample(labels[train], min(config.calibration_images, len(train)), rng)]
    return {
        "train": (images[train], labels[train]),
        "val": (images[val], labels[val]),
        "test": test,
        "calibration": (images[calibration], labels[calibration]),
    }


def _share(fraction: float, sizes: NDArray[np.int64]) -> int:
    """Images to split off: the fraction, but at least one a class."""
    return max(round(fraction * int(sizes.sum())), len(sizes))


def _write(arrays: Arrays, source: LabelledImages, config: DataConfig, seed: int, directory: Path) -> Manifest:
    files = {}
    for split, (images, labels) in arrays.items():
        files[f"{split}_images.npy"] = _save(directory / f"{split}_images.npy", images)
        files[f"{split}_labels.npy"] = _save(directory / f"{split}_labels.npy", labels)
    manifest = Manifest(
        name=config.name,
        origin=source.origin,
        classes=source.classes,
        image_size=config.image_size,
        channels=config.channels,
        seed=seed,
        official_test=source.test_images is not None,
        counts={split: len(labels) for split, (_, labels) in arrays.items()},
        files=files,
        value_range=source.value_range,
    )
    manifest.write(directory)
    return manifest


def _save(path: Path, array: NDArray[Any]) -> ArrayFile:
    np.save(path, np.ascontiguousarray(array), allow_pickle=False)
    return ArrayFile(content_digest(path), path.stat().st_size, str(array.dtype), array.shape)
