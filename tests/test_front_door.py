# SPDX-License-Identifier: Apache-2.0
"""What stands around the code says what is so: locked versions, one version, checklists, the licence of every file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import tinyformer

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKED = {
    "requirements.lock": PROJECT["dependencies"] + PROJECT["optional-dependencies"]["pipeline"],
    "requirements-dev.lock": PROJECT["optional-dependencies"]["dev"],
    "requirements-ui.lock": PROJECT["optional-dependencies"]["ui"],
}


def pins(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    found = [re.fullmatch(r"([a-z0-9-]+)==([^ ;]+)( ; .+)?", line) for line in lines if line[:1] not in "#-"]
    assert all(found), "a lock file holds pins alone: no address, no hash"
    return {match[1]: match[2] for match in found if match}


@pytest.mark.parametrize(("file", "requirement"), [(file, each) for file, wanted in LOCKED.items() for each in wanted])
def test_the_lock_files_keep_the_bounds(file: str, requirement: str) -> None:
    wanted = Requirement(requirement)
    version = (pins("requirements.lock") | pins(file))[canonicalize_name(wanted.name)]
    assert wanted.specifier.contains(version), f"{wanted.name} {version}: run `make lock`"
    assert any(bound.operator in ("<", "==") for bound in wanted.specifier), "a new major version is a decision"


def test_the_version_is_one() -> None:
    version = tinyformer.__version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == version
    released = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert released[0] == version


SOURCES = (".py", ".c", ".h", ".S", ".cpp", ".hpp", ".css", ".js", ".j2")
WITHOUT_COMMENTS = ("README.md.j2", "library.properties.j2")
LICENCE = "SPDX-License-Identifier: Apache-2.0"
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHECKLISTS = dict(re.findall(r"^### (.+?)\n(.+?)(?=^#|\Z)", CONTRIBUTING, re.M | re.S))


def test_contributors_find_a_checklist_for_each_extension() -> None:
    assert list(CHECKLISTS) == [
        "An operator of source models", "A block", "A kernel", "A microcontroller", "A data source",
        "A search strategy",
    ]  # fmt: skip
    for name, steps in CHECKLISTS.items():
        numbers = [int(number) for number in re.findall(r"^(\d)\. ", steps, re.M)]
        assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) >= 4, name
        assert re.search(r"`make test ARGS=", steps), f"{name}: how is it tested?"


def test_what_the_checklists_name_exists() -> None:
    paths = re.findall(r"(?<![\w/.])((?:src|conf|docs|tests)/[\w./-]+)", CONTRIBUTING)
    missing = {path for path in paths if not (ROOT / path.replace("NAME.yaml", "")).exists()}
    assert len(paths) > 30 and not missing
    listed = re.findall(r"`(\w+)` of\s+`([\w./]+)`", CONTRIBUTING)
    absent = {name for name, path in listed if not re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8"))}
    assert len(listed) >= 10 and not absent


def test_commands_are_targets_of_make() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for text in (CONTRIBUTING, (ROOT / "README.md").read_text(encoding="utf-8")):
        assert set(re.findall(r"\bmake ([a-z-]+)(?:`|  | ARGS| EXP| &&)", text)) <= targets


def test_every_source_names_its_licence() -> None:
    files = [path for folder in ("src", "tests", "benchmarks", "tools") for path in (ROOT / folder).rglob("*")]
    sources = [path for path in files if path.suffix in SOURCES and path.name not in WITHOUT_COMMENTS]
    silent = [str(path) for path in sources if LICENCE not in "".join(path.read_text("utf-8").splitlines(True)[:3])]
    assert len(sources) > 300 and not silent
