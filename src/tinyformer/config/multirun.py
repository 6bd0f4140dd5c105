# SPDX-License-Identifier: Apache-2.0
"""Hydra's multirun: one line of overrides for many configurations, and whatever launches them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import version
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from tinyformer.config.compose import Composition, finish
from tinyformer.errors import TinyFormerError

Task = Callable[[DictConfig], Any]
"""What is done with one configuration; launchers may run it in another process, so that it must be picklable."""


Line = tuple[str, ...]
"""The overrides of one point."""


@dataclass(frozen=True)
class Words:
    """A command line of overrides, parsed."""

    task: tuple[Override, ...]
    """Those of the experiments."""
    hydra: Line
    """Those of Hydra itself: which launcher, with what settings."""

    def keys(self) -> tuple[str, ...]:
        """The keys in which the points differ."""
        varied = (word.get_key_element() for word in self.task if word.is_sweep_override())
        return tuple(dict.fromkeys(key.lstrip("+~") for key in varied))


def parse(conf: Path, words: Sequence[str]) -> Words:
    """Read ``words`` as Hydra does.

    Raises:
        TinyFormerError: a word is no override.
    """
    loader = ConfigLoaderImpl(config_search_path=create_config_search_path(str(conf.resolve())))
    try:
        overrides = OverridesParser.create(config_loader=loader).parse_overrides(list(words))
    except HydraException as error:
        raise _refusal(error) from None
    return Words(
        tuple(override for override in overrides if not override.is_hydra_override()),
        tuple(override.input_line or "" for override in overrides if override.is_hydra_override()),
    )


def expand(words: Words) -> list[Line]:
    """The points that ``words`` describe, in Hydra's order. Lists (``seed=0,1``), ``range()``, ``choice()`` and
    ``glob()`` are Hydra's.

    Raises:
        TinyFormerError: a word is an interval, which has no end of points.
    """
    intervals = [word.get_key_element() for word in words.task if word.is_interval_sweep()]
    if intervals:
        raise TinyFormerError(
            f"Command line: {intervals[0]} is an interval, which has no end of points; add --trials N to search in it, "
            "or list its values (a,b,c)."
        )
    try:
        [points] = BasicSweeper.split_arguments(list(words.task), None)
    except HydraException as error:
        raise _refusal(error) from None
    return [tuple(point) for point in points]


def launch(conf: Path, points: Sequence[Line], hydra_words: Line, task: Task, directory: Path) -> None:
    """Run ``task`` for each of ``points``, by the launcher that ``hydra_words`` name (``hydra/launcher=joblib``).

    ``directory`` is where Hydra and its launcher keep what is theirs.
    """
    version.setbase("1.3")
    GlobalHydra.instance().clear()
    hydra = Hydra.create_main_hydra2("tinyformer", create_config_search_path(str(conf.resolve())))
    place = str(directory).replace("\\", "\\\\").replace("'", "\\'")
    own = [
        f"hydra.sweep.dir='{place}'",
        "hydra.sweep.subdir=jobs/${hydra.job.num}",
        "hydra.output_subdir=null",
        "hydra/job_logging=none",
    ]
    try:
        config = hydra.compose_config("config", [*hydra_words, *own], RunMode.MULTIRUN)
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
        launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)
        for result in launcher.launch([list(point) for point in points], initial_job_idx=0):
            _ = result.return_value  # raises what the job has raised
    finally:
        GlobalHydra.instance().clear()


def current_point(conf: Path, tree: DictConfig) -> tuple[tuple[str, ...], Composition]:
    """Within a task: the overrides of its point, and its validated configuration."""
    words = tuple(HydraConfig.get().overrides.task)
    return words, finish(tree, conf, words, dict(HydraConfig.get().runtime.choices))


def _refusal(error: HydraException) -> TinyFormerError:
    reason = str(error).strip().splitlines()[0].rstrip(".")
    return TinyFormerError(f"Command line: {reason}; write key=value, key=a,b or key=range(0,3).")
