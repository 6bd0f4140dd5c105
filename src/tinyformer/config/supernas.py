"""Section ``supernas`` of the configuration."""

from __future__ import annotations

from tinyformer.config.base import Section


class SuperNasConfig(Section):
    """Settings of ``supernas``."""
