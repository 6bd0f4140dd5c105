# SPDX-License-Identifier: Apache-2.0
"""What Hydra's launchers run for each point. They find it by its name, in other processes and on other machines."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from omegaconf import DictConfig

from tinyformer.config.multirun import current_point
from tinyformer.errors import TinyFormerError
from tinyformer.experiments.point import STATUS, Workshop, point_name, run_point
from tinyformer.experiments.status import Status
from tinyformer.signals import Interrupted, end_with_parent


@dataclass(frozen=True)
class RunPoint:
    """Hydra's task function; it goes to the launcher's processes or machines."""

    workshop: Workshop
    keys: tuple[str, ...]
    until: str | None
    force: bool
    launcher: int = field(default_factory=os.getpid)
    """The process that hands out the points."""

    def __call__(self, tree: DictConfig) -> bool:
        """Run one point; whether it is finished. Its failure is no exception, which would stop Hydra."""
        end_with_parent()
        words, composition = current_point(self.workshop.root / "conf", tree)
        name = point_name(words, self.keys)
        try:
            telling = [word for word in words if word.lstrip("+~").partition("=")[0] in self.keys]
            return run_point(self.workshop, name, composition, telling, self.until, self.force) == 0
        except TinyFormerError as error:
            Status(self.workshop.directory / name / STATUS).set("failed", str(error))
            return False
        except Interrupted as interruption:
            if os.getpid() != self.launcher:
                # A pool's worker would send the exception back as a result, and wait for its next task for minutes.
                os._exit(int(interruption.code or 1))
            raise
