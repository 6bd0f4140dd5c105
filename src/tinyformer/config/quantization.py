"""Section ``quantization`` of the configuration."""

from __future__ import annotations

from tinyformer.config.base import Section


class QuantizationConfig(Section):
    """Settings of ``quantization``."""
