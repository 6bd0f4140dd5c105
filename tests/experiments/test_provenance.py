# SPDX-License-Identifier: Apache-2.0
"""When, where and of which commit a stage was computed."""

from __future__ import annotations

import html
import re
import subprocess
from pathlib import Path

import pytest

import tinyformer
from tinyformer.config.load import load_params
from tinyformer.experiments import provenance
from tinyformer.experiments.provenance import Provenance
from tinyformer.pipeline.publish import OVERRIDES
from tinyformer.report.provenance import StageRecord, write_provenance

CPUS = frozenset({"avx2", "fma"})


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Provenance:
    monkeypatch.setenv(OVERRIDES, '["sparsity=s90", "seed=range(0,2)"]')
    monkeypatch.setattr(provenance, "cpu_features", lambda: CPUS)
    return Provenance.here(load_params(Path("params.yaml")), 12.345)


def test_it_says_command_commit_date_machine_and_versions(here: Provenance) -> None:
    assert here.command == "tinyformer repro --experiment quickstart sparsity=s90 'seed=range(0,2)'"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", here.date)
    assert f"tinyformer {tinyformer.__version__}" in here.versions and "torch " in here.versions
    assert " cores, instructions AVX2, " in here.machine and here.seconds == 12.3


def test_the_commit_is_of_the_sources_and_edits_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(
            ["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    monkeypatch.setattr(provenance, "PACKAGE_ROOT", tmp_path)
    assert provenance._commit() == "", "no repository"
    git("init", "-q")
    (tmp_path / "__init__.py").write_text("")
    assert provenance._commit() == "", "a repository that does not know the sources"
    git("add", ".")
    git("commit", "-qm", "first")
    assert provenance._commit() == git("rev-parse", "--short=12", "HEAD")
    (tmp_path / "__init__.py").write_text("x = 1\n")
    assert provenance._commit() == git("rev-parse", "--short=12", "HEAD") + ", edited"


def test_it_reads_back_and_damage_is_nothing(here: Provenance, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "record"
    assert Provenance.read(path) is None
    here.write(path)
    assert Provenance.read(path) == here
    for text in ("", "{", "[]", '{"x": 1}', '"text"'):
        path.write_text(text)
        assert Provenance.read(path) is None
    here.write(Path("/proc/nowhere/record"))


def test_the_page_says_once_what_all_stages_share(tmp_path: Path) -> None:
    known = {"date": "2030-01-02 03:04 UTC", "took": "5 s", "command": "tinyformer repro", "machine": "a <b>"}
    records = [
        StageRecord("prepare", "computed", {**known, "commit": "abc"}),
        StageRecord("deploy", "up to date", {**known, "commit": "def"}),
        StageRecord("report", "restored from the cache", {}),
    ]
    write_provenance(records, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page[page.index("<main") : page.index("</main")])).split())
    assert text.count("tinyformer repro") == 1 and text.count("a <b>") == 1
    assert "prepare computed 2030-01-02 03:04 UTC 5 s abc" in text and "deploy up to date" in text and "def" in text
    assert "report restored from the cache not recorded here" in text
    assert len(page) < 50_000, "no figures, no plotly"
