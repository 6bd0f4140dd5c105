"""Section ``train`` of the configuration."""

from __future__ import annotations

from tinyformer.config.base import Section


class TrainConfig(Section):
    """Settings of ``train``."""
