# SPDX-License-Identifier: Apache-2.0
"""CIFAR-10 (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html), from disk or the official archive."""

from __future__ import annotations

import codecs
import hashlib
import io
import pickle
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyformer.config.data import DataConfig
from tinyformer.data.download import download, user_cache
from tinyformer.data.resampling import resample_array
from tinyformer.data.sources.base import DATA_VARIABLE, LabelledImages, data_home, resolve_root
from tinyformer.errors import TinyFormerError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
RECORDS = 10_000
"""Images in each of the six files."""

_SIDE, _COLOURS = 32, 3
_PIXELS = _SIDE * _SIDE * _COLOURS
_BINARY, _PYTHON = "cifar-10-batches-bin", "cifar-10-batches-py"
_ARCHIVE = "cifar-10-binary.tar.gz"
_URL = f"https://www.cs.toronto.edu/~kriz/{_ARCHIVE}"
_MD5 = {_ARCHIVE: "c32a1d4ab5d03f1284b67883e8d87530", "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"}

Read = Callable[[str], bytes]
"""Contents of the file with that name, e.g. ``data_batch_1.bin``."""


def load(config: DataConfig, records: int = RECORDS) -> LabelledImages:
    """The 50,000 training and 10,000 test images in official order.

    Taken from ``data.root``, else from $TINYFORMER_DATA (or its folder ``cifar10``), else downloaded. ``records`` is
    the number of images a file; only tests change it. Raises TinyFormerError where files are missing or not what the
    data set's page describes.
    """
    batches, origin = _open(config)
    train = [batches(f"data_batch_{i}", records) for i in range(1, 6)]
    test_images, test_labels = batches("test_batch", records)
    images = np.concatenate([images for images, _ in train])
    labels = np.concatenate([labels for _, labels in train])
    for split, values in (("training", labels), ("test", test_labels)):
        _check_balance(values, split, origin)
    return LabelledImages(
        images=resample_array(images, config.image_size, config.channels),
        labels=labels,
        classes=CLASSES,
        origin="CIFAR-10 (Krizhevsky 2009)",
        test_images=resample_array(test_images, config.image_size, config.channels),
        test_labels=test_labels,
    )


Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]


def _open(config: DataConfig) -> tuple[Callable[[str, int], Batch], Path]:
    """A reader of batches by name, and the place it reads from."""
    for place in _places(config):
        for folder in (place, place / _BINARY, place / _PYTHON):
            if (folder / "data_batch_1.bin").is_file():
                return _binary_reader(_folder_reader(folder)), folder
            if (folder / "data_batch_1").is_file():
                return _python_reader(_folder_reader(folder)), folder
        for name, md5 in _MD5.items():
            if (place / name).is_file():
                return _open_archive(place / name, md5)
    if config.root is not None:
        raise TinyFormerError(
            f"data.root={config.root} holds neither the folder {_BINARY} (or {_PYTHON}) nor {_ARCHIVE}: "
            "point it at the directory that does, or set it to null to download the archive."
        )
    archive = (data_home() or user_cache()) / _ARCHIVE
    try:
        download(_URL, archive, _MD5[_ARCHIVE])
    except OSError as error:
        raise TinyFormerError(
            f"CIFAR-10 is not on this machine and {_URL} could not be fetched ({error}): put the folder {_BINARY} or "
            f"the archive {_ARCHIVE} into a directory and name that directory by data.root or the environment "
            f"variable {DATA_VARIABLE}."
        ) from error
    return _open_archive(archive, _MD5[_ARCHIVE])


def _places(config: DataConfig) -> Iterable[Path]:
    if config.root is not None:
        return [resolve_root(config.root)]
    homes = [home for home in (data_home(), user_cache()) if home is not None]
    return [place for home in homes for place in (home / "cifar10", home)]


def source_files(config: DataConfig) -> tuple[Path, dict[str, Path]]:
    """The folder of the six batches and these by name. Of an archive, which is verified when it is opened, nothing:
    fetching it changes no data."""
    for place in _places(config):
        for folder in (place, place / _BINARY, place / _PYTHON):
            found = {path.name: path for path in sorted(folder.glob("*_batch*")) if path.is_file()}
            if found:
                return folder, found
        if any((place / name).is_file() for name in _MD5):
            break
    return Path(), {}


def _open_archive(path: Path, md5: str) -> tuple[Callable[[str, int], Batch], Path]:
    with path.open("rb") as file:
        if hashlib.file_digest(file, "md5").hexdigest() != md5:
            raise TinyFormerError(f"{path} is damaged (its md5 is not {md5}): delete it and fetch it again.")
    archive = tarfile.open(path)  # noqa: SIM115  (the readers below keep it open)
    python = "python" in path.name

    def read(name: str) -> bytes:
        member = archive.extractfile(f"{_PYTHON if python else _BINARY}/{name}")
        assert member is not None  # the digest above says so
        return member.read()

    return (_python_reader(read) if python else _binary_reader(read)), path


def _folder_reader(folder: Path) -> Read:
    def read(name: str) -> bytes:
        path = folder / name
        if not path.is_file():
            raise TinyFormerError(f"{path} is missing: unpack all six files of CIFAR-10 there.")
        return path.read_bytes()

    return read


def _binary_reader(read: Read) -> Callable[[str, int], Batch]:
    """Records of one label byte and 3,072 pixel bytes: 1,024 red, 1,024 green, 1,024 blue, each row by row."""

    def batch(name: str, records: int) -> Batch:
        content = read(f"{name}.bin")
        expected = records * (_PIXELS + 1)
        if len(content) != expected:
            raise TinyFormerError(
                f"{name}.bin of CIFAR-10 has {len(content)} bytes instead of {expected} ({records} records): it is "
                "truncated or not in the official binary layout; fetch it again."
            )
        rows = np.frombuffer(content, np.uint8).reshape(records, _PIXELS + 1)
        return _checked(name, rows[:, 1:], rows[:, 0])

    return batch


def _python_reader(read: Read) -> Callable[[str, int], Batch]:
    """Pickled dictionaries of ``data`` (N, 3072) and ``labels``; only NumPy arrays are let through."""

    def batch(name: str, records: int) -> Batch:
        try:
            content: dict[bytes, Any] = _ArrayUnpickler(io.BytesIO(read(name)), encoding="bytes").load()
            pixels, labels = np.asarray(content[b"data"], np.uint8), np.asarray(content[b"labels"], np.uint8)
        except Exception as error:  # a damaged pickle raises almost anything
            raise TinyFormerError(
                f"{name} of CIFAR-10 is truncated or not an official batch ({error}): fetch it again."
            ) from error
        if pixels.shape != (records, _PIXELS) or labels.shape != (records,):
            raise TinyFormerError(
                f"{name} of CIFAR-10 holds {len(pixels)} images instead of {records}: fetch it again."
            )
        return _checked(name, pixels, labels)

    return batch


class _ArrayUnpickler(pickle.Unpickler):
    """Refuses every global but those that NumPy arrays and byte strings need: a batch file cannot run code."""

    def find_class(self, module: str, name: str) -> Any:
        package = module.split(".", maxsplit=1)[0]
        if (package, name) in _UNPICKLED:
            return _UNPICKLED[package, name]
        raise pickle.UnpicklingError(f"it refers to {module}.{name}")


_UNPICKLED: dict[tuple[str, str], Any] = {
    ("numpy", "_reconstruct"): np.empty(0).__reduce__()[0],  # its module moved between NumPy 1 and 2
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): codecs.encode,
}


def _checked(name: str, planes: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Batch:
    """Planes (N, 3072) to NHWC; labels in 0..9."""
    wrong = np.flatnonzero(labels >= len(CLASSES))
    if len(wrong):
        raise TinyFormerError(
            f"{name} of CIFAR-10 has the label {labels[wrong[0]]} in record {wrong[0]} (allowed: 0 to 9): it is "
            f"damaged; fetch it again."
        )
    images = planes.reshape(-1, _COLOURS, _SIDE, _SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), labels.astype(np.int64)


def _check_balance(labels: NDArray[np.int64], split: str, origin: Path) -> None:
    counts = np.bincount(labels, minlength=len(CLASSES))
    expected = len(labels) // len(CLASSES)
    wrong = np.flatnonzero(counts != expected)
    if len(wrong):
        raise TinyFormerError(
            f"{origin} has {counts[wrong[0]]} {split} images of class {CLASSES[wrong[0]]} instead of {expected}: "
            "it is not CIFAR-10 in the official order; fetch it again."
        )
