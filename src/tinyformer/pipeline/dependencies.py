# SPDX-License-Identifier: Apache-2.0
"""The code that each stage depends on, as dvc.yaml lists it: ``make dependencies`` writes the lists anew.

They are the files of the stage's key (:mod:`tinyformer.keys`). A directory stands for its files where all of them
count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from tinyformer.files import replace_file
from tinyformer.keys import PACKAGE_ROOT, code_files
from tinyformer.pipeline import artifacts


def code_dependencies(stage: str) -> list[str]:
    """Paths below ``src/`` that make up the code of ``stage``: directories as large as can be, sorted."""
    files = set(code_files(f"tinyformer.pipeline.{stage}"))
    source = PACKAGE_ROOT.parent
    return [f"src/{path.relative_to(source).as_posix()}" for path in _cover(PACKAGE_ROOT, files)]


def with_code_dependencies(definition: str) -> str:
    """The text of dvc.yaml with the code that every stage depends on; everything else stays as it is."""
    for stage in yaml.safe_load(definition)["stages"]:
        lines = "".join(f"      - {path}\n" for path in code_dependencies(stage))
        begin = re.search(rf"^  {stage}:\n(?:    .*\n)*?    deps:\n", definition, re.MULTILINE)
        assert begin is not None, f"dvc.yaml: the stage {stage} has no deps"
        rest = re.sub(r"\A(?:      - src/.*\n)+", "", definition[begin.end() :])
        definition = definition[: begin.end()] + lines + rest
    return definition


def _cover(directory: Path, files: set[Path]) -> Iterator[Path]:
    """The largest directories all of whose files are among ``files``, and what is left of these one by one."""
    present = {path for path in directory.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    if present <= files:
        yield directory
        return
    for entry in sorted(directory.iterdir()):
        if entry in files:
            yield entry
        elif entry.is_dir() and any(entry in file.parents for file in files):
            yield from _cover(entry, files)


if __name__ == "__main__":
    text = with_code_dependencies(artifacts.DEFINITION.read_text("utf-8"))
    replace_file(artifacts.DEFINITION, text.encode())
