# SPDX-License-Identifier: Apache-2.0
"""``tinyformer repro`` and ``tinyformer compose``."""

from __future__ import annotations

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
    from tinyformer.experiments.single import project_to_oneself  # noqa: PLC0415
    from tinyformer.pipeline.artifacts import PARAMS  # noqa: PLC0415

    root = project_root()
    composition = compose(root / "conf", overrides, experiment)
    path = root / PARAMS
    if check:
        if not path.is_file() or path.read_bytes() != composition.text.encode():
            raise TinyFormerError(
                "params.yaml is not what conf/ composes to; run `tinyformer compose` with the same overrides."
            )
        click.echo("params.yaml is up to date.")
        return
    with project_to_oneself(root, composition.config.experiment):
        written = write_if_changed(path, composition.text)
    click.echo("params.yaml written." if written else "params.yaml unchanged.")


@click.command("repro", epilog=OVERRIDES_HELP)
@click.argument("overrides", nargs=-1)
@click.option("-e", "--experiment", help="Recipe from conf/experiment (default: quickstart).")
@click.option("--stage", help="Only up to this stage of dvc.yaml.")
@click.option("--force", is_flag=True, help="Run stages even if nothing they depend on has changed.")
@click.option("-m", "--multirun", is_flag=True, help="A sweep: every combination of `mcu=a,b seed=range(0,3)`.")
@click.option("--name", help="With -m: the sweep's directory below outputs/sweeps (default: recipe and swept keys).")
@click.option("--trials", type=int, help="With -m: let Optuna choose this many points within `KEY=interval(A,B)`.")
@click.option("--batch", type=int, default=1, show_default=True, help="With --trials: points that run side by side.")
@click.option(
    "--objectives",
    default="accuracy_int8,latency_ms,flash_bytes",
    show_default=True,
    help="With --trials: the figures of the summary to find the best compromises of.",
)
def repro_command(
    overrides: tuple[str, ...],
    experiment: str | None,
    stage: str | None,
    force: bool,
    multirun: bool,
    name: str | None,
    trials: int | None,
    batch: int,
    objectives: str,
) -> None:
    """Compose the configuration, run the stages that it changes, and print the headline figures.

    What is up to date is skipped, what ran before with the same inputs comes from the cache, and a stage that was
    killed resumes from its last checkpoint. With -m, each point of the sweep has a directory of its own, and a failed
    one stops no other; the same command goes on where it was stopped. With --trials, an optimizer chooses the points.
    """
    if multirun:
        from tinyformer.cli.sweep import run_adaptive_sweep, run_sweep  # noqa: PLC0415 (Hydra is slow to import)

        if trials is None:
            run_sweep(project_root(), overrides, experiment, name, stage, force)
        elif stage is not None:
            raise click.UsageError("--trials goes without --stage: an optimizer needs the summary.")
        else:
            from tinyformer.experiments.adaptive import Adaptive  # noqa: PLC0415

            adaptive = Adaptive(trials, batch, tuple(objectives.split(",")))
            run_adaptive_sweep(project_root(), overrides, experiment, name, force, adaptive)
        return
    if name is not None or trials is not None:
        raise click.UsageError(f"{'--name' if name else '--trials'} goes with -m.")
    from tinyformer.experiments.single import run_experiment  # noqa: PLC0415 (Hydra is slow to import)
    from tinyformer.pipeline.artifacts import REPORT, SUMMARY  # noqa: PLC0415
    from tinyformer.signals import Interrupted  # noqa: PLC0415

    root = project_root()
    try:
        composition = run_experiment(root, overrides, experiment, stage, force)
    except Interrupted as interruption:
        click.echo(
            f"Ended by {interruption.signal.name}; what was made is kept: run the same command to go on.", err=True
        )
        raise
    if composition is None:
        sys.exit(1)
    if stage is None:
        from tinyformer.pipeline.documents import read_json  # noqa: PLC0415
        from tinyformer.report.summary import print_summary  # noqa: PLC0415

        config = composition.config
        print_summary(read_json(root / SUMMARY), config.mcu, config.limits.model_dump())
        click.echo(f"\nThe whole report: {root / REPORT / 'index.html'}")


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
