# SPDX-License-Identifier: Apache-2.0
"""One experiment in the project's own directory."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tinyformer.config.compose import Composition, compose, write_if_changed
from tinyformer.errors import TinyFormerError
from tinyformer.experiments import stages
from tinyformer.experiments.requirements import check_requirements, slow_choices
from tinyformer.locks import Holder, LockHeldError, hold
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.publish import OVERRIDES
from tinyformer.signals import run_tree


def run_experiment(
    root: Path, overrides: Sequence[str], experiment: str | None, stage: str | None = None, force: bool = False
) -> Composition | None:
    """Compose the configuration of the project ``root`` and run the stages that it changes, up to ``stage``.

    Returns what was composed, or None where a stage failed, which has said why.

    Raises:
        TinyFormerError: the configuration is wrong or needs what this machine lacks, or another experiment runs in this
            directory.
        Interrupted: a signal came; all processes have ended.
    """
    composition = compose(root / "conf", overrides, experiment)
    check_requirements(composition.config)
    for sentence in slow_choices(composition.config):
        print(sentence, file=sys.stderr)
    with project_to_oneself(root, composition.config.experiment):
        write_if_changed(root / artifacts.PARAMS, composition.text)
        prepare_dvc(root)
        failed = run_tree(stages.command(stage, force), root, environment(describing(overrides)))
    return None if failed else composition


@contextmanager
def project_to_oneself(root: Path, experiment: str) -> Iterator[None]:
    """Keep others from writing the params.yaml of ``root``; refuse where another experiment or stage runs there.

    Raises:
        TinyFormerError: one does; it is named.
    """
    try:
        with hold(root / artifacts.PROJECT_LOCK, f"experiment {experiment}"):
            with hold(root / artifacts.STAGE_LOCK, f"experiment {experiment}"):
                pass  # a stage that somebody has started without this command would hold it
            yield
    except LockHeldError as error:
        raise TinyFormerError(_refusal(root, error.holder)) from None


def _refusal(root: Path, holder: Holder | None) -> str:
    return (
        f"{root} is in use by {holder or 'another process'}; wait for it, or run several experiments at once as a "
        "sweep, each in a directory of its own: `tinyformer repro -m KEY=A,B` (docs/sweeps.md)."
    )


def describing(overrides: Sequence[str]) -> list[str]:
    """Those of ``overrides`` that describe a result: its recipe and where it is recorded do not."""
    words = [word.lstrip("+~") for word in overrides]
    return [word for word in words if not word.startswith(("experiment=", "tracking.", "tracking=", "runtime"))]


def environment(overrides: Sequence[str] = ()) -> dict[str, str]:
    """The stages' `python` is the one that runs now, activated or not; idle OpenMP threads sleep, not spin.

    ``overrides`` tell the experiment from its recipe.
    """
    values = dict(os.environ)
    values[OVERRIDES] = json.dumps(list(overrides))
    values["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{values.get('PATH', '')}"
    values.setdefault("OMP_WAIT_POLICY", "passive")
    return values


def prepare_dvc(root: Path) -> None:
    """A source tree without Git (an unpacked archive) is as good as a clone."""
    local = root / ".dvc" / "config.local"
    if not (root / ".git").exists() and not local.exists():
        local.parent.mkdir(exist_ok=True)
        local.write_text("[core]\n    no_scm = true\n", "utf-8")
