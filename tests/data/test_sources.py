# SPDX-License-Identifier: Apache-2.0
"""CIFAR-10 from every layout, image folders and .npz files, and what is said about bad ones."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyformer.config.data import DataConfig
from tinyformer.data import download as download_module
from tinyformer.data import load_splits
from tinyformer.data.preparation import prepare_dataset
from tinyformer.data.resampling import resample
from tinyformer.data.sources import cifar10, digits, image_folder
from tinyformer.errors import TinyFormerError

Build = Callable[..., DataConfig]
RECORDS = 20
FILES = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
REAL = os.environ.get("TINYFORMER_DATA")  # read before the fixtures hide it


def _planes(index: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(index)
    return rng.integers(0, 256, (RECORDS, 3072), dtype=np.uint8), np.tile(np.arange(10, dtype=np.uint8), 2)


def _write_binary(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for i, name in enumerate(FILES):
        pixels, labels = _planes(i)
        np.concatenate([labels[:, None], pixels], axis=1).tofile(folder / f"{name}.bin")
    return folder


def _write_python(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for i, name in enumerate(FILES):
        pixels, labels = _planes(i)
        content = {b"data": pixels, b"labels": labels.tolist(), b"batch_label": name.encode()}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    return folder


def _archive(folder: Path, path: Path) -> str:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("inside", [True, False], ids=["parent", "folder itself"])
@pytest.mark.parametrize("write", [_write_binary, _write_python])
def test_cifar10_layouts_agree_with_the_official_description(
    tmp_path: Path, data_config: Build, write: Callable[[Path], Path], inside: bool
) -> None:
    folder = write(tmp_path / ("cifar-10-batches-bin" if write is _write_binary else "cifar-10-batches-py"))
    root = folder.parent if inside else folder
    source = cifar10.load(data_config("cifar10", root=str(root)), RECORDS)
    assert source.images.shape == (5 * RECORDS, 32, 32, 3)
    assert source.test_images is not None
    assert source.test_images.shape == (RECORDS, 32, 32, 3)
    pixels, labels = _planes(2)
    for row, column, colour in [(0, 0, 0), (31, 5, 1), (7, 31, 2)]:
        value = pixels[3, colour * 1024 + row * 32 + column]
        assert source.images[2 * RECORDS + 3, row, column, colour] == value
    assert source.labels[2 * RECORDS + 3] == labels[3]


@pytest.mark.parametrize("kind", ["binary", "python"])
def test_cifar10_archive_in_the_data_home_is_verified_and_read(
    tmp_path: Path, data_config: Build, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    write, name = (_write_binary, "bin") if kind == "binary" else (_write_python, "py")
    folder = write(tmp_path / f"cifar-10-batches-{name}")
    (tmp_path / "home" / "cifar10").mkdir(parents=True)
    path = tmp_path / "home" / "cifar10" / f"cifar-10-{kind}.tar.gz"
    md5 = _archive(folder, path)
    monkeypatch.setenv("TINYFORMER_DATA", str(tmp_path / "home"))
    monkeypatch.setitem(cifar10._MD5, path.name, md5)
    source = cifar10.load(data_config("cifar10"), RECORDS)
    np.testing.assert_array_equal(source.labels[:RECORDS], _planes(0)[1])
    monkeypatch.setitem(cifar10._MD5, path.name, "0" * 32)
    with pytest.raises(TinyFormerError, match=r"tar\.gz is damaged"):
        cifar10.load(data_config("cifar10"), RECORDS)


def test_cifar10_is_downloaded_verified_and_kept(
    tmp_path: Path, data_config: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "served.tar.gz"
    md5 = _archive(_write_binary(tmp_path / "cifar-10-batches-bin"), served)
    monkeypatch.setattr(cifar10, "_URL", served.as_uri())
    with pytest.raises(TinyFormerError, match="damaged file"):
        cifar10.load(data_config("cifar10"), RECORDS)
    kept = download_module.user_cache() / "cifar-10-binary.tar.gz"
    assert not list(kept.parent.iterdir()), "a file that fails its md5 must not stay"
    monkeypatch.setitem(cifar10._MD5, kept.name, md5)
    first = cifar10.load(data_config("cifar10"), RECORDS)
    served.unlink()
    second = cifar10.load(data_config("cifar10"), RECORDS)
    np.testing.assert_array_equal(first.images, second.images)


def test_without_network_and_directory_the_remedy_is_named(data_config: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("network is unreachable")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    with pytest.raises(TinyFormerError, match="network is unreachable") as raised:
        cifar10.load(data_config("cifar10"))
    for word in ("cifar-10-batches-bin", "data.root", "TINYFORMER_DATA"):
        assert word in str(raised.value)


def _cut_short(folder: Path) -> None:
    path = folder / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-100])


def _impossible_label(folder: Path) -> None:
    path = folder / "data_batch_4.bin"
    path.write_bytes(bytes([10]) + path.read_bytes()[1:])


def _unbalanced(folder: Path) -> None:
    path = folder / "test_batch.bin"
    path.write_bytes(bytes([7]) + path.read_bytes()[1:])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_cut_short, r"data_batch_3\.bin.*truncated"),
        (_impossible_label, r"data_batch_4.*label 10 in record 0"),
        (_unbalanced, r"1 test images of class airplane instead of 2"),
        (lambda folder: (folder / "data_batch_5.bin").unlink(), r"data_batch_5\.bin is missing"),
    ],
)
def test_bad_binary_batches_are_named(
    tmp_path: Path, data_config: Build, damage: Callable[[Path], None], words: str
) -> None:
    folder = _write_binary(tmp_path / "cifar-10-batches-bin")
    damage(folder)
    with pytest.raises(TinyFormerError, match=words):
        cifar10.load(data_config("cifar10", root=str(folder)), RECORDS)


class _Evil:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch /tmp/tinyformer-evil",)


@pytest.mark.parametrize(
    "content",
    [b"", b"no pickle", pickle.dumps({b"data": _Evil()}), pickle.dumps({b"labels": []}), pickle.dumps([])],
    ids=["empty", "text", "code", "no data", "list"],
)
def test_bad_python_batches_are_named_and_run_no_code(tmp_path: Path, data_config: Build, content: bytes) -> None:
    folder = _write_python(tmp_path / "cifar-10-batches-py")
    (folder / "data_batch_1").write_bytes(content)
    with pytest.raises(TinyFormerError, match="data_batch_1"):
        cifar10.load(data_config("cifar10", root=str(folder)), RECORDS)
    assert not Path("/tmp/tinyformer-evil").exists()


def test_a_root_without_cifar10_is_named(tmp_path: Path, data_config: Build) -> None:
    with pytest.raises(TinyFormerError, match="holds neither"):
        cifar10.load(data_config("cifar10", root=str(tmp_path)))


@pytest.mark.slow
@pytest.mark.skipif(REAL is None, reason="TINYFORMER_DATA names no directory with CIFAR-10")
def test_real_cifar10(tmp_path: Path, data_config: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYFORMER_DATA", str(REAL))
    manifest = prepare_dataset(data_config("cifar10"), 1, tmp_path / "cifar10")
    assert manifest.counts == {"train": 45000, "val": 5000, "test": 10000, "calibration": 512}
    splits = load_splits(tmp_path / "cifar10")
    assert np.bincount(splits.val.labels).tolist() == [500] * 10
    np.testing.assert_allclose(splits.train.images.mean((0, 1, 2)), [125.3, 123.0, 113.9], atol=0.5)


# --- digits and resampling ----------------------------------------------------------------------------------------


def test_digits_keep_their_grey_levels_at_their_own_size(data_config: Build) -> None:
    from sklearn.datasets import load_digits  # noqa: PLC0415

    source = digits.load(data_config("digits", image_size=8))
    np.testing.assert_array_equal(source.images[..., 0], np.rint(load_digits().images * 255 / 16))
    three = digits.load(data_config("digits", image_size=8, channels=3))
    np.testing.assert_array_equal(three.images, np.repeat(source.images, 3, axis=3))


def test_resample_crops_the_centre_without_distortion() -> None:
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = [10, 20, 30]
    np.testing.assert_array_equal(resample(Image.fromarray(wide), 8, 3), np.full((8, 8, 3), [10, 20, 30]))
    flat = np.full((40, 30, 3), 77, np.uint8)
    np.testing.assert_array_equal(resample(Image.fromarray(flat), 16, 1), np.full((16, 16, 1), 77))


def test_halving_an_image_averages_it() -> None:
    checker = np.indices((32, 32)).sum(0).astype(np.uint8) % 2 * 200
    smaller = resample(Image.fromarray(checker), 16, 1)
    assert np.abs(smaller[1:-1, 1:-1].astype(int) - 100).max() <= 2


# --- image folders ------------------------------------------------------------------------------------------------


def _folders(root: Path, classes: dict[str, int], size: tuple[int, int] = (20, 14)) -> Path:
    for value, (name, count) in enumerate(classes.items()):
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", size, (value * 50, i, 0)).save(root / name / f"{i:03}.png")
    return root


def test_class_folders(tmp_path: Path, data_config: Build) -> None:
    root = _folders(tmp_path / "pets", {"cat": 5, "ant": 4})
    source = image_folder.load(data_config("image_folder", root=str(root)))
    assert source.classes == ("ant", "cat")
    assert source.labels.tolist() == [0] * 4 + [1] * 5
    assert source.images.shape == (9, 32, 32, 3)
    assert source.images[4, 0, 0].tolist() == [0, 0, 0]
    assert source.images[2, 0, 0].tolist() == [50, 2, 0]
    assert source.test_images is None


def test_train_and_test_folders_keep_the_official_test_split(tmp_path: Path, data_config: Build) -> None:
    _folders(tmp_path / "pets" / "train", {"ant": 6, "cat": 6})
    _folders(tmp_path / "pets" / "test", {"ant": 2, "cat": 3})
    manifest = prepare_dataset(data_config("image_folder", root=str(tmp_path / "pets")), 0, tmp_path / "out")
    assert manifest.official_test
    assert manifest.counts["test"] == 5


def test_relative_roots_start_at_the_data_home(
    tmp_path: Path, data_config: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    _folders(tmp_path / "pets", {"ant": 3, "cat": 3})
    monkeypatch.setenv("TINYFORMER_DATA", str(tmp_path))
    assert len(image_folder.load(data_config("image_folder", root="pets")).labels) == 6


def test_npz_with_test_split_and_class_names(tmp_path: Path, data_config: Build) -> None:
    grey = np.full((6, 10, 10), 9, np.uint8)
    path = tmp_path / "a.npz"
    np.savez(path, images=grey, labels=[0, 1] * 3, test_images=grey[:2], test_labels=[0, 1], classes=["no", "yes"])
    source = image_folder.load(data_config("image_folder", root=str(path), image_size=10, channels=1))
    assert source.classes == ("no", "yes")
    np.testing.assert_array_equal(source.images[..., 0], grey)
    assert source.test_labels is not None
    assert source.test_labels.tolist() == [0, 1]


GOOD = {"images": np.zeros((6, 9, 9, 3), np.uint8), "labels": np.arange(6) % 2}


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": GOOD["images"]}, "no array 'labels'"),
        ({**GOOD, "images": GOOD["images"].astype(float) - 1}, "neither 0 to 1 nor 0 to 255"),
        ({**GOOD, "images": np.full((6, 9, 9), np.nan)}, "neither 0 to 1 nor 0 to 255"),
        ({**GOOD, "images": np.full((6, 9, 9), 1 << 20)}, "not those of 8 or 16 bits"),
        ({**GOOD, "images": np.zeros((6, 9, 9, 5), np.uint8)}, "with 1, 3 or, with transparency, 4 channels"),
        ({**GOOD, "labels": np.array([0, 1, 0, 1, 0, 10**12])}, "at most 10,000 classes"),
        ({**GOOD, "labels": np.arange(5)}, "6 integers"),
        ({**GOOD, "labels": np.arange(6) - 1}, "6 integers"),
        ({**GOOD, "classes": np.array(["one"])}, "label 1 but only 1 classes"),
        ({**GOOD, "test_images": GOOD["images"]}, "no array 'test_labels'"),
    ],
)
def test_bad_npz_files_are_explained(
    tmp_path: Path, data_config: Build, arrays: dict[str, np.ndarray], words: str
) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(TinyFormerError, match=words) as raised:
        image_folder.load(data_config("image_folder", root=str(tmp_path / "bad.npz")))
    assert "bad.npz" in str(raised.value)


def test_other_bad_roots_are_explained(tmp_path: Path, data_config: Build) -> None:
    def message(root: str | None) -> str:
        with pytest.raises(TinyFormerError) as raised:
            prepare_dataset(data_config("image_folder", root=root), 0, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        return str(raised.value)

    assert "data.root is not set" in message(None)
    assert "neither a directory nor" in message(str(tmp_path / "nowhere"))
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 cut")
    assert "cut.npz cannot be read" in message(str(tmp_path / "cut.npz"))
    assert "1 class folder(s)" in message(str(_folders(tmp_path / "single", {"ant": 4})))
    few = _folders(tmp_path / "few", {"ant": 9, "bee": 2})
    assert "Class 'bee' has 2 image(s)" in message(str(few))
    broken = _folders(tmp_path / "broken", {"ant": 4, "bee": 4})
    (broken / "bee" / "002.png").write_bytes((broken / "bee" / "002.png").read_bytes()[:40])
    assert "bee/002.png cannot be read" in message(str(broken))
    (broken / "cow").mkdir()
    assert "cow holds no images" in message(str(broken))


def test_archive_members_are_read_without_unpacking(tmp_path: Path) -> None:
    """The reader never extracts paths from the archive, so that a hostile member name cannot escape."""
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("../escaped")
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"x"))
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    cifar10._open_archive(path, md5)
    assert not (tmp_path.parent / "escaped").exists()
