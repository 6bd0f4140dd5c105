"""Section ``data`` of the configuration."""

from __future__ import annotations

from tinyformer.config.base import Section


class DataConfig(Section):
    """Settings of ``data``."""
