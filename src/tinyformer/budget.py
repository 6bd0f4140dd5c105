# SPDX-License-Identifier: Apache-2.0
"""The one budget that searches, estimator, compiler and deployment keep: the section ``limits``, and where it leaves
something open what the microcontroller has. How far a network breaks it, and what is achievable where none keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from tinyformer.config.limits import LimitsConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.errors import TinyFormerError


class Cost(Protocol):
    """What one network takes on the microcontroller."""

    @property
    def flash_bytes(self) -> int:
        """The whole firmware."""

    @property
    def sram_bytes(self) -> int:
        """Arena and stack."""

    @property
    def latency_ms(self) -> float:
        """One inference."""


@dataclass(frozen=True)
class Budget:
    """Limits by name of the :class:`Cost` field; positive. Those of :meth:`of` leave nothing open but the latency."""

    limits: dict[str, float]

    @staticmethod
    def of(limits: LimitsConfig, mcu: McuConfig) -> Budget:
        """``limits`` where given, otherwise all that ``mcu`` has.

        Raises :class:`TinyFormerError` for a limit beyond what the microcontroller has.
        """
        try:
            limits.require_within(mcu)
        except ValueError as error:
            raise TinyFormerError(f"limits.{error}") from None
        result = {
            "flash_bytes": float(limits.flash_bytes or mcu.flash_bytes),
            "sram_bytes": float(limits.sram_bytes or mcu.sram_bytes),
        }
        return Budget(result | ({} if limits.latency_ms is None else {"latency_ms": limits.latency_ms}))

    @property
    def flash_bytes(self) -> int:
        """What the firmware may take."""
        return int(self.limits["flash_bytes"])

    @property
    def sram_bytes(self) -> int:
        """What arena and stack may take together."""
        return int(self.limits["sram_bytes"])

    def violation(self, cost: Cost) -> float:
        """Sum of the relative excesses over the limits; 0 where ``cost`` keeps them all."""
        return sum(max(0.0, float(getattr(cost, name)) / limit - 1.0) for name, limit in self.limits.items())


@dataclass
class Achievable:
    """The smallest costs seen while a network within the limits is sought, for the error if there is none."""

    budget: Budget
    smallest: dict[str, float] = field(default_factory=dict)
    closest: Cost | None = None

    def see(self, cost: Cost) -> None:
        """Take one network into account."""
        for name in self.budget.limits:
            self.smallest[name] = min(self.smallest.get(name, float("inf")), getattr(cost, name))
        if self.closest is None or self.budget.violation(cost) < self.budget.violation(self.closest):
            self.closest = cost

    def error(self, remedies: str) -> TinyFormerError:
        """Names every limit that no network seen keeps by itself or, if each is kept by some, their clash.

        ``remedies`` is what the search at hand offers beside other limits, as the object of "choose".
        """
        impossible = [name for name, limit in self.budget.limits.items() if self.smallest[name] > limit]
        if impossible:
            problems = "; ".join(
                f"limits.{name} is {_figure(name, self.budget.limits[name])}, "
                f"the smallest achievable found is {_figure(name, self.smallest[name])}"
                for name in impossible
            )
            return TinyFormerError(
                f"No sub-network keeps the limits: {problems}. Raise the limit, or choose {remedies}."
            )
        closest = ", ".join(f"{name} {_figure(name, getattr(self.closest, name))}" for name in self.budget.limits)
        limits = ", ".join(f"{name} {_figure(name, limit)}" for name, limit in self.budget.limits.items())
        return TinyFormerError(
            f"No sub-network found keeps all of limits at once ({limits}); the closest needs {closest}. "
            f"Raise a limit, or choose {remedies}."
        )


def _figure(name: str, value: float) -> str:
    return f"{value:.3f}" if name == "latency_ms" else f"{value:.0f}"
