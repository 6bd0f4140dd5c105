"""A user's own images: a directory with one folder a class, or an .npz file."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tinyformer.config.data import DataConfig
from tinyformer.data.resampling import resample, resample_array, stack
from tinyformer.data.sources.base import LabelledImages, resolve_root
from tinyformer.errors import TinyFormerError

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})


def load(config: DataConfig) -> LabelledImages:
    """Images of ``data.root``.

    A directory holds ``<class>/<image>``, or ``train/<class>/<image>`` and ``test/<class>/<image>`` (then the test
    split is that one). An .npz file holds ``images`` uint8 (N, H, W) or (N, H, W, C) and ``labels`` (N,), optionally
    ``test_images``, ``test_labels`` and ``classes`` (names). Raises TinyFormerError naming the file at fault.
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
            sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES) if folder.is_dir() else []
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
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise TinyFormerError(f"{path} cannot be read as an image ({error}): repair or remove it.") from error


def _from_npz(path: Path, config: DataConfig) -> LabelledImages:
    try:
        with np.load(path, allow_pickle=False) as archive:
            content = dict(archive)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError) as error:
        raise TinyFormerError(f"{path} cannot be read ({error}): write it again with numpy.savez.") from error
    images, labels = _pair(content, "images", "labels", path)
    official = "test_images" in content
    test_images, test_labels = _pair(content, "test_images", "test_labels", path) if official else (None, None)
    count = int(labels.max()) + 1
    classes = (
        tuple(str(name) for name in content["classes"]) if "classes" in content else tuple(str(i) for i in range(count))
    )
    highest = max(count, int(test_labels.max()) + 1 if test_labels is not None else 0)
    if highest > len(classes):
        raise TinyFormerError(f"{path} has the label {highest - 1} but only {len(classes)} classes: name them all.")
    return LabelledImages(
        images=resample_array(images, config.image_size, config.channels),
        labels=labels,
        classes=classes,
        origin=f"image file {path.name}",
        test_images=resample_array(test_images, config.image_size, config.channels)
        if test_images is not None
        else None,
        test_labels=test_labels,
    )


def _pair(
    content: dict[str, NDArray], images_key: str, labels_key: str, path: Path
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    for key in (images_key, labels_key):
        if key not in content:
            raise TinyFormerError(
                f"{path} has no array '{key}' (it has: {', '.join(sorted(content))}): save it under that name."
            )
    images, labels = content[images_key], content[labels_key]
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
        raise TinyFormerError(
            f"'{images_key}' of {path} is {images.dtype} {images.shape}: it must be uint8 (N, H, W), (N, H, W, 1) or "
            f"(N, H, W, 3)."
        )
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise TinyFormerError(f"'{labels_key}' of {path} must be {len(images)} integers from 0 upwards, one an image.")
    return images, labels.astype(np.int64)
