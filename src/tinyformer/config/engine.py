"""Section ``engine`` of the configuration."""

from __future__ import annotations

from tinyformer.config.base import Section


class EngineConfig(Section):
    """Settings of ``engine``."""
