# SPDX-License-Identifier: Apache-2.0
"""Fixtures of several packages' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainings import DATA
from tinyformer.data.preparation import prepare_dataset


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits that ``tests.trainings.DATA`` describes, prepared."""
    directory = tmp_path_factory.mktemp("digits")
    prepare_dataset(DATA, 0, directory)
    return directory
