# SPDX-License-Identifier: Apache-2.0
"""A user's own images: a directory with one folder a class, or an .npz file."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tinyformer.config.data import DataConfig
from tinyformer.data.eight_bits import levels
from tinyformer.data.resampling import resample, resample_array, stack
from tinyformer.data.sources.archive import read_archive
from tinyformer.data.sources.base import LabelledImages, resolve_root
from tinyformer.errors import TinyFormerError

_CHANNELS = (1, 3, 4)
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})

_UNREADABLE = (
    *(UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError),
    *(EOFError, KeyError, TypeError, IndexError, OverflowError, MemoryError, struct.error, zlib.error),
)
"""What Pillow raises for damaged files of one kind or another."""


def load(config: DataConfig) -> LabelledImages:
    """Images of ``data.root``.

    A directory holds ``<class>/<image>``, or ``train/<class>/<image>`` and ``test/<class>/<image>`` (then the test
    split is that one). An .npz file holds ``images`` (N, H, W) or (N, H, W, C) and ``labels`` (N,), optionally
    ``test_images``, ``test_labels`` and ``classes`` (names), or the same as MedMNIST and Keras name it; levels may be
    of 8 or 16 bits or floating-point numbers (:mod:`tinyformer.data.eight_bits`). Raises TinyFormerError naming the
    file at fault.
    """
    if config.root is None:
        raise TinyFormerError(
            "data.root is not set: name the directory with one folder a class, or the .npz file, e.g. "
            "data.root=/path/to/images."
        )
    root = resolve_root(config.root)
    if root.is_dir():
        return _from_folders(root, config)
    if root.is_file() and root.suffix == ".npz":
        return _from_npz(root, config)
    raise TinyFormerError(f"data.root={config.root} is neither a directory nor an .npz file: name one that exists.")


def _from_folders(root: Path, config: DataConfig) -> LabelledImages:
    official = (root / "train").is_dir() and (root / "test").is_dir()
    train_root = root / "train" if official else root
    classes = tuple(
        sorted(folder.name for folder in train_root.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    )
    if len(classes) < 2:
        raise TinyFormerError(
            f"{train_root} has {len(classes)} class folder(s), at least 2 are needed: one folder a class."
        )
    images, labels = _read_folders(train_root, classes, config)
    test: tuple[NDArray[np.uint8] | None, NDArray[np.int64] | None] = (None, None)
    if official:
        test = _read_folders(root / "test", classes, config)
    return LabelledImages(images, labels, classes, f"image folder {root.name}", *test)


def _read_folders(
    root: Path, classes: tuple[str, ...], config: DataConfig
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    foreign = sorted(
        folder.name
        for folder in root.iterdir()
        if folder.is_dir() and not folder.name.startswith(".") and folder.name not in classes
    )
    if foreign:
        raise TinyFormerError(
            f"{root / foreign[0]} is a class that the training images do not have: add it there or remove it here."
        )
    files: list[tuple[Path, int]] = []
    for label, name in enumerate(classes):
        folder = root / name
        found = (
            sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
            if folder.is_dir()
            else []
        )
        if not found:
            raise TinyFormerError(
                f"{folder} holds no images: add some ({', '.join(sorted(_SUFFIXES))}) or remove the class."
            )
        files += [(path, label) for path in found]
    pixels = (_read(path, config) for path, _ in files)
    images = stack(pixels, len(files), config.image_size, config.channels)
    return images, np.array([label for _, label in files], np.int64)


def _read(path: Path, config: DataConfig) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            return resample(image, config.image_size, config.channels)
    except _UNREADABLE as error:
        raise TinyFormerError(f"{path} cannot be read as an image ({error}): repair or remove it.") from error


def _from_npz(path: Path, config: DataConfig) -> LabelledImages:
    archive = read_archive(path, "images")
    return LabelledImages(
        images=_resampled(archive.samples, "images", path, config),
        labels=archive.labels,
        classes=archive.classes,
        origin=f"image file {path.name}",
        test_images=None
        if archive.test_samples is None
        else _resampled(archive.test_samples, "test_images", path, config),
        test_labels=archive.test_labels,
    )


def _resampled(images: NDArray[Any], key: str, path: Path, config: DataConfig) -> NDArray[np.uint8]:
    shape = images.shape
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim == 4 and images.shape[3] not in _CHANNELS and images.shape[1] in _CHANNELS:
        images = images.transpose(0, 2, 3, 1)  # channels first
    if images.ndim != 4 or images.shape[3] not in _CHANNELS:
        raise TinyFormerError(
            f"'{key}' of {path} is {images.dtype} {shape}: it must be (N, H, W), (N, H, W, C) or (N, C, H, W) with 1, "
            "3 or, with transparency, 4 channels."
        )
    try:
        pixels = levels(images)
    except ValueError as error:
        raise TinyFormerError(f"'{key}' of {path} are no images ({error}): scale them to uint8.") from error
    return resample_array(pixels, config.image_size, config.channels)
