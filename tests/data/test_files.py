# SPDX-License-Identifier: Apache-2.0
"""Data that changed is seen, and data that did not is not read again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinyformer.data.files
from tests.trainings import DATA
from tinyformer.config.data import DataConfig
from tinyformer.data.files import data_contents


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TINYFORMER_DATA", raising=False)


def picture(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), grey).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        for i in range(3):
            picture(tmp_path / "images" / name / f"{i}.png", i)
    return tmp_path / "images"


def source(name: str, root: Path | None) -> DataConfig:
    return DATA.model_copy(update={"source": name, "root": None if root is None else str(root)})


def edit_within_a_tick(path: Path) -> None:
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "added": lambda root: picture(root / "cat" / "new.png", 9),
    "removed": lambda root: (root / "cat" / "0.png").unlink(),
    "renamed": lambda root: (root / "cat" / "0.png").rename(root / "cat" / "9.png"),
    "moved to another class": lambda root: (root / "cat" / "0.png").rename(root / "dog" / "9.png"),
    "edited": lambda root: picture(root / "cat" / "0.png", 99),
    "edited with its size and date kept": lambda root: edit_within_a_tick(root / "cat" / "0.png"),
    "a class more": lambda root: shutil.copytree(root / "cat", root / "cow"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_an_image_folder_is_seen(folder: Path, change: str) -> None:
    before = data_contents(source("image_folder", folder))
    assert before.files == 6
    assert data_contents(source("image_folder", folder)) == before
    CHANGES[change](folder)
    assert data_contents(source("image_folder", folder)).sha256 != before.sha256


def test_what_has_not_changed_is_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    digest = tinyformer.data.files.content_digest
    monkeypatch.setattr(tinyformer.data.files, "content_digest", lambda path: read.append(path.name) or digest(path))
    data_contents(source("image_folder", folder))
    assert len(read) == 6
    picture(folder / "dog" / "new.png", 7)
    data_contents(source("image_folder", folder))
    assert read[6:] == ["new.png"]


@pytest.mark.parametrize("name", ["image_folder", "features"])
def test_a_change_of_an_archive_is_seen(tmp_path: Path, name: str) -> None:
    path = tmp_path / "samples.npz"
    np.savez(path, images=np.zeros(3))
    before = data_contents(source(name, path))
    np.savez(path, images=np.ones(3))
    assert data_contents(source(name, path)) != before


def test_data_below_the_users_data_directory_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYFORMER_DATA", str(folder.parent))
    assert data_contents(source("image_folder", Path("images"))).files == 6


def test_fetching_cifar10_changes_no_data_but_editing_a_batch_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYFORMER_DATA", str(tmp_path))
    nothing = data_contents(source("cifar10", None))
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"verified when it is opened")
    assert data_contents(source("cifar10", None)) == nothing
    batch = tmp_path / "cifar-10-batches-bin" / "data_batch_1.bin"
    batch.parent.mkdir()
    batch.write_bytes(b"1")
    before = data_contents(source("cifar10", None))
    batch.write_bytes(b"2")
    assert data_contents(source("cifar10", None)) != before != nothing


def test_data_that_comes_with_a_package_has_no_files() -> None:
    assert data_contents(DATA).files == 0
