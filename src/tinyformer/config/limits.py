# SPDX-License-Identifier: Apache-2.0
"""Section ``limits``: what of the microcontroller the model may use; searches, compiler and deployment keep it."""

from __future__ import annotations

from pydantic import Field

from tinyformer.config.base import Section
from tinyformer.config.mcu import McuConfig


class LimitsConfig(Section):
    """What the compiled model may use; null stands for all that the MCU has (``latency_ms``: for no limit)."""

    flash_bytes: int | None = Field(default=None, gt=0)
    """Code, weights and tables of the firmware, in bytes."""

    sram_bytes: int | None = Field(default=None, gt=0)
    """Activation arena and stack, in bytes."""

    latency_ms: float | None = Field(default=None, gt=0)
    """One inference on the MCU, in milliseconds."""

    def require_within(self, mcu: McuConfig) -> None:
        """Raise ``ValueError`` for a limit beyond what ``mcu`` has."""
        for name, available in (("flash_bytes", mcu.flash_bytes), ("sram_bytes", mcu.sram_bytes)):
            wanted = getattr(self, name)
            if wanted is not None and wanted > available:
                raise ValueError(
                    f"{name} is {wanted}, but {mcu.name} has {available} bytes: "
                    "lower the limit (null stands for all of it) or choose another mcu."
                )
