# SPDX-License-Identifier: Apache-2.0
"""Hydra's multirun: one line of overrides for many configurations, and whatever launches them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig

from tinyformer.config.compose import Composition, finish
from tinyformer.errors import TinyFormerError

Task = Callable[[DictConfig], Any]
"""What is done with one configuration; launchers may run it in another process, so that it must be picklable."""


def expand(conf: Path, words: Sequence[str]) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """The overrides of each point that ``words`` describe, in Hydra's order, and the keys in which they differ.

    Lists (``seed=0,1``), ``range()``, ``choice()`` and ``glob()`` are Hydra's.

    Raises:
        TinyFormerError: a word is no override.
    """
    loader = ConfigLoaderImpl(config_search_path=create_config_search_path(str(conf.resolve())))
    try:
        overrides = OverridesParser.create(config_loader=loader).parse_overrides(list(words))
        task = [override for override in overrides if not _is_hydras(override)]
        [points] = BasicSweeper.split_arguments(task, None)
    except HydraException as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise TinyFormerError(f"Command line: {reason}; write key=value, key=a,b or key=range(0,3).") from None
    keys = tuple(dict.fromkeys(o.get_key_element() for o in task if o.is_sweep_override()))
    return [tuple(point) for point in points], keys


def launch(conf: Path, words: Sequence[str], task: Task, directory: Path) -> None:
    """Run ``task`` for each point, by the launcher that ``words`` name (``hydra/launcher=joblib``).

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
        hydra.multirun("config", task, [*words, *own])
    finally:
        GlobalHydra.instance().clear()


def current_point(conf: Path, tree: DictConfig) -> tuple[tuple[str, ...], Composition]:
    """Within a task: the overrides of its point, and its validated configuration."""
    words = tuple(HydraConfig.get().overrides.task)
    return words, finish(tree, conf, words, dict(HydraConfig.get().runtime.choices))


def _is_hydras(override: Override) -> bool:
    return override.key_or_group.startswith(("hydra.", "hydra/"))
