# SPDX-License-Identifier: Apache-2.0
"""What ``tinyformer simulate`` tells of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinyformer.files import replace_file
from tinyformer.mcu.simulator import SimulationResult, to_speedscope


@dataclass(frozen=True)
class Shown:
    """What is told of a run."""

    profile: bool
    """Also the tables of layers, functions and stalls."""

    as_json: bool
    """JSON on standard output, nothing else."""

    speedscope: Path | None
    """Where the profile goes as a file for speedscope."""

    def write_profile(self, result: SimulationResult) -> None:
        """Write it, if it is wanted."""
        if self.speedscope is not None:
            replace_file(self.speedscope, to_speedscope(result).encode())
