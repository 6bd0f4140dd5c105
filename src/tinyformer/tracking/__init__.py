# SPDX-License-Identifier: Apache-2.0
"""Weights & Biases as the mirror of what stages log. wandb is imported where a run starts or is read, not before."""

from tinyformer.tracking.reader import OfflineRun, read_run, read_runs
from tinyformer.tracking.runs import Run, start_run
from tinyformer.tracking.summary import publish_summary, summary_run_id

__all__ = [
    "OfflineRun",
    "Run",
    "publish_summary",
    "read_run",
    "read_runs",
    "start_run",
    "summary_run_id",
]
