"""Section ``search_space`` of the configuration."""

from __future__ import annotations

from tinyformer.config.base import Section


class SearchSpaceConfig(Section):
    """Settings of ``search_space``."""
