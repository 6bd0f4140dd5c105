# SPDX-License-Identifier: Apache-2.0
"""Hydra at work: ``python -m tinyformer.experiments.launcher`` runs the points of a sweep by Hydra's launcher.

It is a process of its own, so that whoever has started it stays free to watch, and can end all points at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinyformer.config.multirun import Line, launch
from tinyformer.errors import TinyFormerError
from tinyformer.experiments.point import Workshop
from tinyformer.experiments.task import RunPoint
from tinyformer.files import replace_file
from tinyformer.signals import Interrupted, end_with_parent


def command(
    workshop: Workshop, points: Sequence[Line], hydra_words: Line, keys: Line, until: str | None, force: bool
) -> list[str]:
    """The command line that runs ``points``; they go by a file, since there may be more than a line holds."""
    arguments: dict[str, Any] = {
        "root": str(workshop.root), "directory": str(workshop.directory), "cache": str(workshop.cache),
        "points": points, "hydra_words": hydra_words, "keys": keys, "until": until, "force": force,
    }  # fmt: skip
    path = workshop.directory / "launch.json"
    replace_file(path, json.dumps(arguments).encode())
    return [sys.executable, "-m", "tinyformer.experiments.launcher", str(path)]


def main() -> int:
    """Run the points that the file describes, which the one argument names."""
    end_with_parent()
    given = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    workshop = Workshop(*(Path(given[name]) for name in ("root", "directory", "cache")))
    task = RunPoint(workshop, tuple(given["keys"]), given["until"], given["force"])
    try:
        launch(
            workshop.root / "conf", given["points"], tuple(given["hydra_words"]), task, workshop.directory / ".hydra"
        )
    except TinyFormerError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except Interrupted as interruption:
        return int(interruption.code or 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
