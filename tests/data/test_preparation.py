# SPDX-License-Identifier: Apache-2.0
"""Preparing and reading data sets: determinism, splits, damage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyformer.config.data import DataConfig
from tinyformer.data import load_splits
from tinyformer.data.preparation import prepare_dataset
from tinyformer.data.splitting import split_off, stratified_sample
from tinyformer.errors import TinyFormerError

Build = Callable[..., DataConfig]


def _digests(directory: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.iterdir())}


@pytest.fixture
def digits(tmp_path: Path, data_config: Build) -> Path:
    prepare_dataset(data_config("digits"), 1, tmp_path / "digits")
    return tmp_path / "digits"


def test_same_seed_gives_the_same_bytes_and_another_seed_other_splits(
    digits: Path, data_config: Build, tmp_path: Path
) -> None:
    prepare_dataset(data_config("digits"), 1, tmp_path / "again")
    prepare_dataset(data_config("digits"), 2, tmp_path / "other")
    assert _digests(digits) == _digests(tmp_path / "again")
    assert _digests(digits)["test_labels.npy"] != _digests(tmp_path / "other")["test_labels.npy"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")], "temporary directories are left"


def test_digits_are_what_they_claim(digits: Path) -> None:
    splits = load_splits(digits)
    assert splits.classes == tuple("0123456789")
    assert (splits.image_size, splits.channels) == (16, 1)
    assert {name: len(getattr(splits, name)) for name in ("train", "val", "test", "calibration")} == {
        "train": 1294,
        "val": 144,
        "test": 359,
        "calibration": 200,
    }
    for split in (splits.train, splits.val, splits.test, splits.calibration):
        assert split.images.dtype == np.uint8
        assert split.images.shape[1:] == (16, 16, 1)
        assert split.labels.dtype == np.int64
        assert split.images.max() == 255
        assert split.images.min() == 0


def test_splits_are_stratified_and_disjoint_and_calibration_is_training_data(
    tmp_path: Path, npz: Path, data_config: Build
) -> None:
    config = data_config(
        "image_folder", root=str(npz), image_size=12, calibration_images=9, validation_fraction=0.25, test_fraction=0.2
    )
    prepare_dataset(config, 5, tmp_path / "out")
    splits = load_splits(tmp_path / "out")
    source = np.load(npz)["images"]
    numbers = {
        name: set(getattr(splits, name).images[:, 0, 0, 0].tolist()) for name in ("train", "val", "test", "calibration")
    }
    assert numbers["train"] | numbers["val"] | numbers["test"] == set(range(60))
    assert sum(len(numbers[name]) for name in ("train", "val", "test")) == 60
    assert numbers["calibration"] < numbers["train"]
    assert np.bincount(splits.test.labels).tolist() == [4, 4, 4]
    assert np.bincount(splits.val.labels).tolist() == [4, 4, 4]
    assert np.bincount(splits.calibration.labels).tolist() == [3, 3, 3]
    for name in numbers:
        split = getattr(splits, name)
        np.testing.assert_array_equal(split.images, source[split.images[:, 0, 0, 0]])
        np.testing.assert_array_equal(split.labels, split.images[:, 0, 0, 0] // 20)


def test_train_limit_leaves_the_other_splits_alone(tmp_path: Path, digits: Path, data_config: Build) -> None:
    manifest = prepare_dataset(data_config("digits", train_limit=100), 1, tmp_path / "limited")
    assert manifest.counts == {"train": 100, "val": 144, "test": 359, "calibration": 100}
    limited, full = _digests(tmp_path / "limited"), _digests(digits)
    for name in ("val_images.npy", "test_images.npy", "val_labels.npy", "test_labels.npy"):
        assert limited[name] == full[name]


def test_a_failed_preparation_keeps_what_was_there(
    digits: Path, data_config: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _digests(digits)

    def full_disk(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        prepare_dataset(data_config("digits"), 2, digits)
    assert _digests(digits) == before
    assert [path.name for path in digits.parent.iterdir()] == ["digits"]


@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6), data=st.data())
def test_stratified_sample_is_exact_and_proportional(sizes: list[int], data: st.DataObject) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    count = data.draw(st.integers(0, len(labels)))
    chosen = stratified_sample(labels, count, np.random.default_rng(1))
    assert len(chosen) == len(set(chosen.tolist())) == count
    assert np.all(np.diff(chosen) > 0)
    expected = np.array(sizes) * count / len(labels)
    assert np.all(np.abs(np.bincount(labels[chosen], minlength=len(sizes)) - expected) < 1)
    rest, off = split_off(labels, count, np.random.default_rng(1))
    assert sorted([*rest.tolist(), *off.tolist()]) == list(range(len(labels)))


# --- damage -------------------------------------------------------------------------------------------------------


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("file", "damage", "split", "words"),
    [
        ("train_images.npy", _truncate, "train", "bytes instead of"),
        ("val_labels.npy", _flip_a_bit, "val", "sha256"),
        ("calibration_images.npy", Path.unlink, "calibration", "missing"),
    ],
)
def test_a_damaged_file_is_named_when_its_split_is_used(
    digits: Path, file: str, damage: Callable[[Path], None], split: str, words: str
) -> None:
    damage(digits / file)
    splits = load_splits(digits)
    assert len(splits.test) == 359, "other splits stay usable"
    with pytest.raises(TinyFormerError, match=words) as raised:
        getattr(splits, split)
    assert file in str(raised.value)
    assert "prepare" in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": {}}', '{"files": {"a": {}}}'])
def test_a_damaged_manifest_is_named(digits: Path, text: str) -> None:
    (digits / "manifest.json").write_text(text)
    with pytest.raises(TinyFormerError, match=r"manifest\.json is damaged"):
        load_splits(digits)


def test_a_missing_data_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(TinyFormerError, match=r"nowhere/manifest\.json is missing"):
        load_splits(tmp_path / "nowhere")


def test_searches_cannot_read_the_test_split(digits: Path) -> None:
    splits = load_splits(digits).without_test()
    assert len(splits.train) == 1294
    with pytest.raises(PermissionError):
        _ = splits.test


def test_manifest_is_sorted_and_free_of_time(digits: Path) -> None:
    text = (digits / "manifest.json").read_text()
    data = json.loads(text)
    assert text == json.dumps(data, indent=2, sort_keys=True) + "\n"
    assert set(data) == {
        "name", "origin", "classes", "image_size", "channels", "seed", "official_test", "counts", "files",
    }  # fmt: skip
