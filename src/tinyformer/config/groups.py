# SPDX-License-Identifier: Apache-2.0
"""The groups of ``conf/``, their choices, and what each of them says that it is for."""

from __future__ import annotations

import itertools
from pathlib import Path


def groups(conf: Path) -> dict[str, list[str]]:
    """Every configuration group with its choices."""
    return {
        folder.name: sorted(file.stem for file in folder.glob("*.yaml"))
        for folder in sorted(conf.iterdir())
        if folder.is_dir() and folder.name != "hydra"
    }


def purpose(file: Path) -> str:
    """The comment at the head of a choice's ``file`` as one line, without Hydra's directive; empty without one."""
    lines = file.read_text("utf-8").splitlines()
    comments = itertools.takewhile(lambda line: line.startswith("#"), lines)
    return " ".join(line.lstrip("# ") for line in comments if "@package" not in line)
