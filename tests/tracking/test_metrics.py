"""Metrics files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinyformer.errors import TinyFormerError
from tinyformer.tracking import read_metrics, write_metrics


def test_metrics_are_sorted_plain_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "metrics.json"
    write_metrics(path, {"b": np.float64(0.5), "a": np.int64(3), "c": {"z": np.arange(2), "y": "ü"}})
    assert path.read_text() == (
        '{\n  "a": 3,\n  "b": 0.5,\n  "c": {\n    "y": "ü",\n    "z": [\n      0,\n      1\n    ]\n  }\n}\n'
    )
    assert read_metrics(path) == {"a": 3, "b": 0.5, "c": {"y": "ü", "z": [0, 1]}}
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_impossible_values_leave_the_old_file(tmp_path: Path, value: object) -> None:
    path = tmp_path / "metrics.json"
    write_metrics(path, {"a": 1})
    with pytest.raises((ValueError, TypeError)):
        write_metrics(path, {"a": value})
    assert read_metrics(path) == {"a": 1}


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.json"
    write_metrics(path, {"a": 1})

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_metrics(path, {"a": 2})
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.json"]
    assert read_metrics(path) == {"a": 1}


@pytest.mark.parametrize(("text", "words"), [("{", "damaged"), ("[1]", "no JSON object"), (None, "missing")])
def test_bad_files_are_named(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "metrics.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(TinyFormerError, match=rf"metrics\.json.*{words}"):
        read_metrics(path)
