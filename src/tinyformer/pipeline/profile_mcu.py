# SPDX-License-Identifier: Apache-2.0
"""Stage ``profile_mcu``: what the kernels cost on the microcontroller, measured in the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.progress import Progress

from tinyformer.engine.costs.profiling import profile_kernels
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import write_json
from tinyformer.pipeline.stage import Stage, run_stage


def profile_mcu(stage: Stage) -> Mapping[str, Any]:
    """Write ``cost_table.json``."""
    config = stage.config
    with Progress(transient=True) as progress:
        task = progress.add_task(f"Measuring kernels on the simulated {config.mcu.name}", total=None)
        table = profile_kernels(
            config.mcu,
            config.engine,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    write_json(artifacts.COST_TABLE, table.to_dict())
    return {"kernels": len(table.cycles)}


if __name__ == "__main__":
    run_stage("profile_mcu", profile_mcu)
