# SPDX-License-Identifier: Apache-2.0
"""Configurations and small data sets for the tests of ``tinyformer.data``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tinyformer.config.data import DataConfig

CONF = Path(__file__).parents[2] / "conf" / "data"


@pytest.fixture(autouse=True)
def _no_data_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TINYFORMER_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


@pytest.fixture
def data_config() -> Callable[..., DataConfig]:
    """``data_config("digits", image_size=8)``: the section in conf/data with some keys changed."""

    def build(choice: str, **changes: Any) -> DataConfig:
        return DataConfig(**{**yaml.safe_load((CONF / f"{choice}.yaml").read_text()), **changes})

    return build


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    """Three classes of 20 random 12x12 RGB images, each marked by its number in the first pixel."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 12, 12, 3), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(60)
    path = tmp_path / "images.npz"
    np.savez(path, images=images, labels=np.repeat([0, 1, 2], 20))
    return path
