# SPDX-License-Identifier: Apache-2.0
"""Section ``tracking``: where runs are recorded. It has no influence on any result."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tinyformer.config.base import Section


class TrackingConfig(Section):
    """Weights & Biases; metrics are written to JSON files in any case."""

    mode: Literal["offline", "online", "disabled"]
    """Offline runs are files that ``wandb sync`` uploads later."""
    project: str = Field(min_length=1, max_length=128)
    """The project that runs are recorded in."""
    entity: str | None
    """Team or user that owns the project. Null: the account's default."""
    group: str | None
    """Joins the runs of one experiment or sweep. Null: the experiment's name."""
    tags: list[str]
    """Labels of every run, to filter by."""
    unreachable: Literal["offline", "stop"]
    """What ``online`` does without network or credentials: record offline, or stop before any work is done."""
    timeout_s: int = Field(ge=1, le=600)
    """Longest wait for the server when a run starts, and again when it ends, in seconds."""
