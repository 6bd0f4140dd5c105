"""Section ``sparsity`` of the configuration."""

from __future__ import annotations

from tinyformer.config.base import Section


class SparsityConfig(Section):
    """Settings of ``sparsity``."""
