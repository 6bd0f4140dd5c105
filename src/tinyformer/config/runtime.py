# SPDX-License-Identifier: Apache-2.0
"""Section ``runtime``: what changes how a stage goes about its work and no result of it, so that it re-runs nothing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tinyformer.config.base import Section


class RuntimeConfig(Section):
    """Processes, progress and precautions. Results are the same bytes whatever stands here."""

    progress_bar: bool = True
    """Show a progress bar while training, and say what the training costs."""

    checkpoint_every: int | None = Field(default=None, ge=1)
    """Steps between checkpoints within an epoch of any training; null: only at the end of each epoch."""

    checkpoint_minutes: float = Field(default=0.0, ge=0)
    """Least time between two checkpoints, which then happen within epochs, too; 0: one after every epoch."""

    pool: Literal["local", "ray"] = "local"
    """Where SparseNAS evaluates candidates: processes of this machine, or a Ray cluster (extra ``cluster``)."""

    workers: int | None = Field(default=None, ge=1)
    """Processes that evaluate candidates; null: one for each usable core."""

    verify_images: int = Field(default=64, ge=1)
    """Test images that `deploy` runs on the simulated microcontroller (the host build runs all of them)."""


DEFAULT_RUNTIME = RuntimeConfig()
"""For those who train or search without the pipeline."""

RAY_MISSING = (
    "runtime.pool is ray, but Ray is not installed: run `pip install 'tinyformer[cluster]'` or set runtime.pool=local."
)
