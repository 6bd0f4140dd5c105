# SPDX-License-Identifier: Apache-2.0
"""Feature maps from an .npz file: bytes that keep what the numbers say, and what is said about bad files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from tinyformer.config.data import DataConfig
from tinyformer.data import load_splits
from tinyformer.data.preparation import SOURCES, prepare_dataset
from tinyformer.data.sources import features
from tinyformer.errors import TinyFormerError

Build = Callable[..., DataConfig]
LABELS = np.arange(30) % 3


def spectrograms(count: int = 30) -> np.ndarray:
    """Decibels between -80 and 0, 12 frames of 10 bands."""
    maps = np.random.default_rng(0).uniform(-79, -1, (count, 12, 10)).astype(np.float32)
    maps[0, 0, 0], maps[1, 0, 0] = -80, 0
    return maps


def save(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path, **arrays)
    return str(path)


def test_every_source_of_the_configuration_is_known() -> None:
    assert set(SOURCES) == set(get_args(DataConfig.model_fields["source"].annotation))


def test_floats_become_bytes_that_give_them_back(tmp_path: Path, data_config: Build) -> None:
    maps = spectrograms()
    root = save(tmp_path / "words.npz", features=maps, labels=LABELS, classes=np.array(["yes", "no", "other"]))
    prepare_dataset(data_config("features", root=root, image_size=16), 0, tmp_path / "out")
    splits = load_splits(tmp_path / "out")
    assert splits.classes == ("yes", "no", "other")
    assert splits.manifest.value_range == (-80.0, 0.0)
    assert splits.manifest.origin == "features words.npz, 12x10"
    images = np.concatenate([splits.train.images, splits.val.images, splits.test.images])
    assert images.shape == (30, 16, 16, 1) and not images[:, 12:].any() and not images[:, :, 10:].any()
    low, high = splits.manifest.value_range
    back = images[:, :12, :10, 0] * ((high - low) / 255) + low
    order, original = (np.argsort(rows.reshape(30, -1)[:, 5]) for rows in (back, maps))
    np.testing.assert_allclose(back[order], maps[original], atol=(high - low) / 255 / 2 + 1e-4)


def test_a_given_range_clips(tmp_path: Path, data_config: Build) -> None:
    root = save(tmp_path / "a.npz", features=spectrograms(), labels=LABELS)
    source = features.load(data_config("features", root=root, image_size=12, feature_range=(-60, -20)))
    assert source.value_range == (-60, -20)
    expected = np.clip(np.rint((spectrograms().astype(float) + 60) * 255 / 40), 0, 255)
    np.testing.assert_array_equal(source.images[:, :, :10, 0], expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_bytes_are_kept(dtype: type, tmp_path: Path, data_config: Build) -> None:
    limits = np.iinfo(dtype)
    maps = np.random.default_rng(1).integers(limits.min, limits.max, (30, 8, 8, 3), dtype, endpoint=True)
    root = save(tmp_path / "a.npz", features=maps, labels=LABELS, test_features=maps[:3], test_labels=LABELS[:3])
    manifest = prepare_dataset(data_config("features", root=root, image_size=8, channels=3), 0, tmp_path / "out")
    assert manifest.official_test and "value_range" not in json.loads((tmp_path / "out/manifest.json").read_text())
    test = load_splits(tmp_path / "out").test.images
    np.testing.assert_array_equal(test.astype(int) + limits.min, maps[:3])


GOOD = {"features": spectrograms(), "labels": LABELS}


@pytest.mark.parametrize(
    ("arrays", "changes", "words"),
    [
        ({"features": GOOD["features"]}, {}, "no array 'labels'"),
        ({**GOOD, "features": np.zeros((30, 12), np.float32)}, {}, "must be floating point"),
        ({**GOOD, "features": np.zeros((30, 12, 10), np.int32)}, {}, "int32"),
        ({**GOOD, "features": np.zeros((30, 12, 10, 2), np.float32)}, {}, "has 2 channel"),
        ({**GOOD, "features": np.zeros((30, 12, 10), np.float32)}, {}, "all 0"),
        ({**GOOD, "features": np.full((30, 12, 10), np.nan)}, {}, "not finite"),
        ({**GOOD, "features": np.zeros((30, 12, 10), np.uint8)}, {"feature_range": (0, 1)}, "bytes already"),
        (GOOD, {"image_size": 10}, "set data.image_size=12"),
        ({**GOOD, "test_features": GOOD["features"][:3, :9], "test_labels": LABELS[:3]}, {}, "make them alike"),
    ],
)
def test_bad_files_are_explained(
    tmp_path: Path, data_config: Build, arrays: dict[str, np.ndarray], changes: dict[str, object], words: str
) -> None:
    root = save(tmp_path / "bad.npz", **arrays)
    with pytest.raises(TinyFormerError, match=words) as raised:
        features.load(data_config("features", **{"root": root, "image_size": 16, **changes}))
    assert "bad.npz" in str(raised.value)


def test_other_settings_are_explained(data_config: Build) -> None:
    with pytest.raises(TinyFormerError, match=r"data\.root=None is no \.npz file"):
        features.load(data_config("features"))
    with pytest.raises(ValueError, match="not for 'digits'"):
        data_config("digits", feature_range=(0, 1))
    with pytest.raises(ValueError, match="the lower one first"):
        data_config("features", feature_range=(1, 0))
