# SPDX-License-Identifier: Apache-2.0
"""One point of a sweep: a directory like the project, but with parameters, lock file and outputs of its own."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyformer.config.compose import Composition, write_if_changed
from tinyformer.config.root import Config
from tinyformer.data.files import data_contents
from tinyformer.errors import TinyFormerError
from tinyformer.experiments import stages
from tinyformer.experiments.single import describing, environment
from tinyformer.files import make_directory, replace_file
from tinyformer.keys import code_digest
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import read_yaml
from tinyformer.signals import run_tree

STATUS = Path("status.json")
LOG = Path("log.txt")
_DONE = Path("done.txt")
"""Holds the key of the finished experiment."""

_OWN = {
    artifacts.PARAMS.name, artifacts.DEFINITION.name, artifacts.LOCK.name, artifacts.OUTPUTS.name, artifacts.WORK.name,
    STATUS.name, LOG.name, _DONE.name, ".dvc", ".dvcignore", ".git", ".gitignore", ".venv", "data", "wandb", "multirun",
}  # fmt: skip
"""What a point does not share with the project."""
_OWN_DATA = {artifacts.PROCESSED.name, artifacts.DATA_FILES.parent.name}
_LONGEST_NAME = 150


@dataclass(frozen=True)
class Workshop:
    """Where the points of a sweep are made."""

    root: Path
    """The project."""
    directory: Path
    """The sweep's."""
    cache: Path
    """DVC's, that all points and the project share."""


def point_name(overrides: Sequence[str], keys: Sequence[str]) -> str:
    """The directory of the point with ``overrides``, of which ``keys`` tell the points apart."""
    parts = [word.lstrip("+~") for word in overrides if word.lstrip("+~").partition("=")[0] in keys]
    name = re.sub(r"[^\w=.,+@-]+", "-", ",".join(parts)) or "point"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def run_point(
    workshop: Workshop,
    name: str,
    composition: Composition,
    overrides: Sequence[str],
    until: str | None = None,
    force: bool = False,
) -> int:
    """Run the experiment of ``composition`` in a directory of its own; returns the exit status.

    ``overrides`` tell it from the other points. One that is finished, and of which nothing has changed since, is left
    alone.
    """
    directory, text, config = workshop.directory / name, composition.text, composition.config
    if not force and until is None and is_finished(workshop, name, composition):
        return 0
    _lay_out(workshop, directory, text)
    with (directory / LOG).open("ab") as log:
        words = stages.command(until, force, STATUS)
        status = run_tree(words, directory, environment(describing(overrides)), log)
    if status == 0 and until is None:
        replace_file(directory / _DONE, _key(workshop.root, text, config).encode())
    return status


def is_finished(workshop: Workshop, name: str, composition: Composition) -> bool:
    """Whether the point has a result, and would come to the same one again."""
    directory = workshop.directory / name
    try:
        done = (directory / _DONE).read_text("utf-8")
    except OSError:
        return False
    key = _key(workshop.root, composition.text, composition.config)
    return (directory / artifacts.SUMMARY).is_file() and done == key


def _key(root: Path, text: str, config: Config) -> str:
    """Of all that makes the result: parameters, pipeline, code, data."""
    digest = hashlib.sha256(text.encode())
    digest.update((root / artifacts.DEFINITION).read_bytes())
    for stage in read_yaml(root / artifacts.DEFINITION, ended=False)["stages"]:
        digest.update(code_digest(f"tinyformer.pipeline.{stage}").encode())
    here = Path.cwd()
    os.chdir(root)  # where relative paths of the configuration begin
    try:
        digest.update(data_contents(config.data).sha256.encode())
    finally:
        os.chdir(here)
    return digest.hexdigest()


def _lay_out(workshop: Workshop, directory: Path, text: str) -> None:
    """Make or renew the directory: what is the project's is linked to."""
    make_directory(directory / "data")
    _link(workshop.root, directory, _OWN)
    _link(workshop.root / "data", directory / "data", _OWN_DATA)
    for name in (artifacts.DEFINITION.name, ".dvcignore"):
        if (workshop.root / name).is_file():
            shutil.copyfile(workshop.root / name, directory / name)
    write_if_changed(directory / artifacts.PARAMS, text)
    make_directory(directory / ".dvc")
    settings = (
        "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
        # no copies of the data set in every point
        f'[cache]\n    dir = {workshop.cache}\n    type = "reflink,hardlink,copy"\n'
    )
    write_if_changed(directory / ".dvc" / "config", settings)


def _link(source: Path, target: Path, own: set[str]) -> None:
    for entry in source.iterdir() if source.is_dir() else ():
        link = target / entry.name
        if entry.name not in own and not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(entry)


def failure(directory: Path) -> str:
    """Why the point failed: what its stage printed last as an error."""
    try:
        text = (directory / LOG).read_text("utf-8", errors="replace")
    except OSError:
        return ""
    found = re.findall(r"^error: (.*?)(?=^Error: |^error: |\Z)", text, re.M | re.S) or re.findall(
        r"^Error: (.*?)$", text, re.M
    )
    return " ".join(found[-1].split()) if found else ""


def dvc_cache(root: Path) -> Path:
    """The cache of the project ``root``.

    Raises:
        TinyFormerError: there is no DVC repository.
    """
    from dvc.exceptions import NotDvcRepoError  # noqa: PLC0415
    from dvc.repo import Repo  # noqa: PLC0415

    try:
        return Path(Repo(str(root)).cache.local_cache_dir).resolve()
    except NotDvcRepoError:
        raise TinyFormerError(f"{root}/.dvc is missing; restore it with `git restore .dvc`.") from None
