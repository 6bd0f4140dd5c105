"""Section ``tracking`` of the configuration."""

from __future__ import annotations

from tinyformer.config.base import Section


class TrackingConfig(Section):
    """Settings of ``tracking``."""
