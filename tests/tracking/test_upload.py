# SPDX-License-Identifier: Apache-2.0
"""Uploading offline runs: from a copied folder, to a server that answers nonsense, to none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tinyformer.cli import main
from tinyformer.config.tracking import TrackingConfig
from tinyformer.errors import TinyFormerError
from tinyformer.tracking import connection, read_run, start_run, upload
from tinyformer.tracking.reader import records
from tinyformer.tracking.relocation import relocate

CONF = Path(__file__).parents[2] / "conf" / "tracking"


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A directory with one offline run, large enough for several blocks, with an artifact."""
    config = TrackingConfig(**yaml.safe_load((CONF / "offline.yaml").read_text("utf-8")))
    (tmp_path / "model.bin").write_bytes(b"weights")
    directory = tmp_path / "first" / "wandb"
    with start_run(config, experiment="e", stage="s", parameters={"long": "x" * 50_000}, directory=directory) as run:
        run.log({"loss": 1.0}, 0)
        run.add_artifact(tmp_path / "model.bin", "model", "model")
    return directory


def recording(directory: Path) -> Path:
    [found] = directory.glob("offline-run-*/run-*.wandb")
    return found


def test_a_recording_that_has_not_moved_stays_as_it_is(recorded: Path) -> None:
    assert relocate(recording(recorded).read_bytes(), recorded / "staging") is None


def test_a_copied_folder_finds_its_artifacts_again(recorded: Path, tmp_path: Path) -> None:
    copied = tmp_path / "elsewhere" / "wandb"
    shutil.copytree(recorded, copied)
    shutil.rmtree(recorded)
    content = relocate(recording(copied).read_bytes(), copied / "staging")
    assert content is not None
    assert str(copied).encode() in content and str(recorded).encode() + b"/staging" not in content
    before = list(records(recording(copied).read_bytes()))
    assert len(list(records(content))) == len(before), "nothing is lost"
    rewritten = tmp_path / "rewritten" / recording(copied).name
    rewritten.parent.mkdir()
    rewritten.write_bytes(content)
    assert read_run(rewritten) == read_run(recording(copied))


def test_what_is_framed_anew_is_framed_as_wandb_does(recorded: Path) -> None:
    from tinyformer.tracking.relocation import _framed  # noqa: PLC0415

    content = recording(recorded).read_bytes()
    assert content[:7] + _framed(list(records(content))) == content


def test_uploaded_runs_are_marked_and_left_out(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "obstacle", lambda timeout_s: None)
    monkeypatch.setattr(upload, "_upload", lambda path, timeout_s: "no end within 1 s")
    result = CliRunner().invoke(main, ["sync", str(recorded)])
    assert result.exit_code == 1 and "no end within 1 s" in result.output
    recording(recorded).with_suffix(".wandb.synced").touch()
    result = CliRunner().invoke(main, ["sync", str(recorded)])
    assert result.exit_code == 0 and "0 offline runs" in result.output


def test_no_server_is_one_sentence(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "server", lambda: "http://127.0.0.1:9")
    with pytest.raises(TinyFormerError, match=r"Nothing was uploaded: http://127.0.0.1:9 cannot be reached"):
        list(upload.upload(recorded, 5))
