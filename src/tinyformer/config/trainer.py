"""Section ``trainer`` of the configuration."""

from __future__ import annotations

from tinyformer.config.base import Section


class TrainerConfig(Section):
    """Settings of ``trainer``."""
