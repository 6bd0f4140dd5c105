# SPDX-License-Identifier: Apache-2.0
"""Files are replaced as a whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyformer.errors import TinyFormerError
from tinyformer.files import replace_file


def test_a_file_is_written_and_replaced_and_its_directories_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "file.txt"
    for content in (b"first", b"second"):
        replace_file(path, content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.txt"
    replace_file(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(TinyFormerError, match=r"Cannot write .*file\.txt \(No space left on device\)"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(TinyFormerError, match="taken"):
        replace_file(tmp_path / "taken" / "file.txt", b"")
