"""Section ``finetune`` of the configuration."""

from __future__ import annotations

from tinyformer.config.base import Section


class FinetuneConfig(Section):
    """Settings of ``finetune``."""
