# SPDX-License-Identifier: Apache-2.0
"""The pipeline's JSON and YAML files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tinyformer.errors import TinyFormerError
from tinyformer.pipeline.documents import read_yaml, write_metrics, write_yaml


def test_metrics_are_sorted_plain_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "metrics.json"
    write_metrics(path, {"b": np.float64(0.5), "a": np.int64(3), "c": {"z": np.arange(2), "y": "ü"}})
    assert path.read_text() == (
        '{\n  "a": 3,\n  "b": 0.5,\n  "c": {\n    "y": "ü",\n    "z": [\n      0,\n      1\n    ]\n  }\n}\n'
    )
    assert json.loads(path.read_text()) == {"a": 3, "b": 0.5, "c": {"y": "ü", "z": [0, 1]}}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_impossible_values_leave_the_old_file(tmp_path: Path, value: object) -> None:
    path = tmp_path / "metrics.json"
    write_metrics(path, {"a": 1})
    with pytest.raises((ValueError, TypeError)):
        write_metrics(path, {"a": value})
    assert json.loads(path.read_text()) == {"a": 1}


def test_yaml_cut_short_anywhere_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "subnet.yaml"
    value = {"architecture": {"stages": [1, 2]}, "sparsity": {"a": 0.5, "b": 0.5}}
    write_yaml(path, value)
    assert read_yaml(path, ended=True) == value
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(TinyFormerError, match=r"subnet\.yaml is damaged"):
            read_yaml(path, ended=True)
