"""Section ``sparsenas`` of the configuration."""

from __future__ import annotations

from tinyformer.config.base import Section


class SparseNasConfig(Section):
    """Settings of ``sparsenas``."""
