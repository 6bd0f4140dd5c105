# SPDX-License-Identifier: Apache-2.0
"""Reading a prepared data set; each split is loaded and verified when it is first used."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyformer.data.manifest import Manifest
from tinyformer.errors import TinyFormerError
from tinyformer.keys import content_digest


@dataclass(frozen=True)
class Split:
    """``images`` uint8 (N, H, W, C) and ``labels`` int64 (N,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


class Splits:
    """A prepared data set on disk.

    Files are read, and checked against the manifest, on first access of their split; a damaged one raises
    TinyFormerError with its name.
    """

    def __init__(
        self, directory: Path, manifest: Manifest, *, test: bool = True, validation_in_train: bool = False
    ) -> None:
        self.directory = directory
        self.manifest = manifest
        self._test = test
        self._validation_in_train = validation_in_train

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; labels index them."""
        return self.manifest.classes

    @property
    def image_size(self) -> int:
        """Side of the square images in pixels."""
        return self.manifest.image_size

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return self.manifest.channels

    @cached_property
    def train(self) -> Split:
        """What weights are fitted to."""
        train = self._load("train")
        if not self._validation_in_train:
            return train
        return Split(np.concatenate([train.images, self.val.images]), np.concatenate([train.labels, self.val.labels]))

    @cached_property
    def val(self) -> Split:
        """What searches and early stopping compare by."""
        return self._load("val")

    @cached_property
    def test(self) -> Split:
        """What the published accuracy is measured on, and nothing else."""
        if not self._test:
            raise PermissionError("this code may not see the test split (Splits.without_test)")
        return self._load("test")

    @cached_property
    def calibration(self) -> Split:
        """Training images for the quantizer's ranges."""
        return self._load("calibration")

    @property
    def digest(self) -> str:
        """SHA-256 of all splits but the test split, from the manifest; in hexadecimal."""
        files = {name: file.sha256 for name, file in self.manifest.files.items() if not name.startswith("test_")}
        return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()

    def without_test(self) -> Splits:
        """The same data set for searches and training: reading ``test`` raises ``PermissionError``."""
        return Splits(self.directory, self.manifest, test=False, validation_in_train=self._validation_in_train)

    def with_validation_images(self) -> Splits:
        """The same data set without the test split, its validation images part of ``train``, too."""
        return Splits(self.directory, self.manifest, test=False, validation_in_train=True)

    def _load(self, split: str) -> Split:
        return Split(self._array(f"{split}_images.npy"), self._array(f"{split}_labels.npy"))

    def _array(self, name: str) -> NDArray[Any]:
        path, expected = self.directory / name, self.manifest.files[name]
        remedy = f"delete {self.directory} and prepare the data set again (stage `prepare`)."
        try:
            size = path.stat().st_size
            if size != expected.bytes:
                raise TinyFormerError(f"{path} has {size} bytes instead of {expected.bytes}: {remedy}")
            digest = content_digest(path)
        except FileNotFoundError as error:
            raise TinyFormerError(f"{path} is missing: {remedy}") from error
        if digest != expected.sha256:
            raise TinyFormerError(f"{path} is damaged (its sha256 is not that of the manifest): {remedy}")
        array: NDArray[Any] = np.load(path, allow_pickle=False)
        return array


def load_splits(directory: Path) -> Splits:
    """The prepared data set in ``directory``; reads the manifest only. TinyFormerError where there is none."""
    return Splits(directory, Manifest.read(directory))
