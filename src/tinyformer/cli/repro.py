"""``tinyformer repro`` and ``tinyformer compose``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from tinyformer.errors import TinyFormerError

OVERRIDES_HELP = (
    """OVERRIDES are Hydra's: `sparsity=s90` chooses conf/sparsity/s90.yaml, `finetune.epochs=5` sets one key."""
)


@click.command("compose", epilog=OVERRIDES_HELP)
@click.argument("overrides", nargs=-1)
@click.option("-e", "--experiment", help="Recipe from conf/experiment (default: quickstart).")
@click.option("--check", is_flag=True, help="Write nothing; exit with status 1 unless params.yaml is up to date.")
def compose_command(overrides: tuple[str, ...], experiment: str | None, check: bool) -> None:
    """Compose conf/ into params.yaml and validate it."""
    from tinyformer.config.compose import compose, write_if_changed  # noqa: PLC0415 (Hydra is slow to import)
    from tinyformer.pipeline.artifacts import PARAMS  # noqa: PLC0415

    root = project_root()
    text = compose(root / "conf", overrides, experiment).text
    path = root / PARAMS
    if check:
        if not path.is_file() or path.read_text("utf-8") != text:
            raise TinyFormerError(
                "params.yaml is not what conf/ composes to; run `tinyformer compose` with the same overrides."
            )
        click.echo("params.yaml is up to date.")
    elif write_if_changed(path, text):
        click.echo("params.yaml written.")
    else:
        click.echo("params.yaml unchanged.")


@click.command("repro", epilog=OVERRIDES_HELP)
@click.argument("overrides", nargs=-1)
@click.option("-e", "--experiment", help="Recipe from conf/experiment (default: quickstart).")
@click.option("--stage", help="Only up to this stage of dvc.yaml.")
@click.option("--force", is_flag=True, help="Run stages even if nothing they depend on has changed.")
def repro_command(overrides: tuple[str, ...], experiment: str | None, stage: str | None, force: bool) -> None:
    """Compose the configuration, run the stages that it changes, and print the headline figures.

    What is up to date is skipped, what ran before with the same inputs comes from the cache, and a stage that was
    killed resumes from its last checkpoint.
    """
    from tinyformer.config.compose import compose, write_if_changed  # noqa: PLC0415 (Hydra is slow to import)
    from tinyformer.pipeline.artifacts import PARAMS, SUMMARY  # noqa: PLC0415

    root = project_root()
    composition = compose(root / "conf", overrides, experiment)
    if write_if_changed(root / PARAMS, composition.text):
        click.echo("params.yaml written.")
    _prepare_dvc(root)
    command = [sys.executable, "-m", "dvc", "repro", *(["--force"] if force else []), *([stage] if stage else [])]
    if subprocess.run(command, cwd=root, env=_environment(), check=False).returncode:
        raise TinyFormerError(
            "The pipeline stopped; the message above says why. What was made is kept: run the same command to go on."
        )
    if stage is None:
        from tinyformer.pipeline.documents import read_json  # noqa: PLC0415
        from tinyformer.report.summary import print_summary  # noqa: PLC0415

        config = composition.config
        print_summary(read_json(root / SUMMARY), config.mcu, config.sparsenas.limits.model_dump())


def project_root() -> Path:
    """The nearest directory upwards that holds dvc.yaml and conf/.

    Raises:
        TinyFormerError: there is none.
    """
    here = Path.cwd()
    for directory in (here, *here.parents):
        if (directory / "dvc.yaml").is_file() and (directory / "conf").is_dir():
            return directory
    raise TinyFormerError(
        f"{here} lies in no TinyFormer project; change into a directory that holds dvc.yaml and conf/."
    )


def _environment() -> dict[str, str]:
    """The stages' `python` is the one that runs now, activated or not; idle OpenMP threads sleep, not spin."""
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    environment.setdefault("OMP_WAIT_POLICY", "passive")
    return environment


def _prepare_dvc(root: Path) -> None:
    """A source tree without Git (an unpacked archive) is as good as a clone."""
    local = root / ".dvc" / "config.local"
    if not (root / ".git").exists() and not local.exists():
        local.parent.mkdir(exist_ok=True)
        local.write_text("[core]\n    no_scm = true\n", "utf-8")
