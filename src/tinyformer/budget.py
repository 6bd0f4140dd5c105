"""The limits on flash, SRAM and latency that both searches keep: how far a network breaks them, and what is achievable
where none keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field

from tinyformer.config.mcu import McuConfig
from tinyformer.config.sparsenas import Limits
from tinyformer.engine.estimator import Cost
from tinyformer.errors import TinyFormerError


@dataclass(frozen=True)
class Budget:
    """Limits with nothing left open but the latency, by name of the :class:`Cost` field; positive."""

    limits: dict[str, float]

    @staticmethod
    def of(limits: Limits, mcu: McuConfig) -> Budget:
        """``limits`` where given, otherwise all that ``mcu`` has.

        Raises :class:`TinyFormerError` for a limit beyond what the microcontroller has.
        """
        result: dict[str, float] = {}
        for name, available in (("flash_bytes", mcu.flash_bytes), ("sram_bytes", mcu.sram_bytes)):
            wanted = getattr(limits, name)
            if wanted is not None and wanted > available:
                raise TinyFormerError(
                    f"sparsenas.limits.{name} is {wanted}, but {mcu.name} has {available} bytes: "
                    "lower the limit (null stands for all of it) or choose another mcu."
                )
            result[name] = float(available if wanted is None else wanted)
        if limits.latency_ms is not None:
            result["latency_ms"] = limits.latency_ms
        return Budget(result)

    def violation(self, cost: Cost) -> float:
        """Sum of the relative excesses over the limits; 0 where ``cost`` keeps them all."""
        return sum(max(0.0, getattr(cost, name) / limit - 1.0) for name, limit in self.limits.items())


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
                f"sparsenas.limits.{name} is {_figure(name, self.budget.limits[name])}, "
                f"the smallest achievable found is {_figure(name, self.smallest[name])}"
                for name in impossible
            )
            return TinyFormerError(
                f"No sub-network keeps the limits: {problems}. Raise the limit, or choose {remedies}."
            )
        closest = ", ".join(f"{name} {_figure(name, getattr(self.closest, name))}" for name in self.budget.limits)
        limits = ", ".join(f"{name} {_figure(name, limit)}" for name, limit in self.budget.limits.items())
        return TinyFormerError(
            f"No sub-network found keeps all of sparsenas.limits at once ({limits}); the closest needs {closest}. "
            f"Raise a limit, or choose {remedies}."
        )


def _figure(name: str, value: float) -> str:
    return f"{value:.3f}" if name == "latency_ms" else f"{value:.0f}"
