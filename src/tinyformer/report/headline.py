# SPDX-License-Identifier: Apache-2.0
"""The headline figures: their names, units, budgets and origins; one list for page, terminal and comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

from tinyformer.config.mcu import McuConfig
from tinyformer.report.formatting import compact, exact_size, integer, milliseconds, percent, size


@dataclass(frozen=True)
class Metric:
    """A figure of ``summary.json``. ``better`` says which direction is; ``obtained`` may refer to {mcu},
    {validation} and {uncertainty}."""

    key: str
    label: str
    text: Callable[[float | None], str]
    obtained: str
    better: Literal["high", "low"] | None = None
    short: Callable[[float | None], str] | None = None

    def shorten(self, value: float | None) -> str:
        """The value where space is scarce."""
        return (self.short or self.text)(value)


_LIMITED = ("flash_bytes", "sram_bytes", "latency_ms")
_NO_LIMIT = "no limit"
_SIMULATED = "simulated ({mcu} model, {validation}{uncertainty})"

METRICS = (
    Metric("accuracy_float", "Accuracy, float", percent, "host: float model in onnxruntime, test split", "high"),
    Metric("accuracy_int8", "Accuracy, INT8", percent, "host: integer model, test split", "high"),
    Metric(
        "agreement_onnxruntime", "Agreement with onnxruntime", percent, "host: same top-1 class, test split", "high"
    ),
    Metric("flash_bytes", "Flash", exact_size, "sections of the linked ELF file", "low", size),
    Metric("sram_bytes", "SRAM", exact_size, "arena, data and measured stack", "low", size),
    Metric("latency_ms", "Latency", milliseconds, _SIMULATED, "low"),
    Metric("cycles", "Cycles", integer, _SIMULATED, "low", compact),
    Metric("instructions", "Instructions", integer, "executed in the simulator", "low", compact),
    Metric("macs", "MACs, dense", integer, "shapes of the layers", None, compact),
    Metric("params", "Parameters", integer, "float model, BatchNorm folded", None, compact),
    Metric("params_nonzero", "Parameters not zero", integer, "float model, BatchNorm folded", "low", compact),
    Metric("block_sparsity", "Block sparsity", percent, "zero blocks of the prunable layers", "high"),
    Metric("bit_exact_images_host", "Bit-exact images, host", integer, "C on the host against the NumPy reference"),
    Metric("bit_exact_images_mcu", "Bit-exact images, MCU", integer, "simulated firmware against the NumPy reference"),
)


@dataclass(frozen=True)
class HeadlineRow:
    """One line of the headline table, ready to print."""

    key: str
    label: str
    value: str
    short: str
    budget: str
    share: float | None
    """Of the budget, 0..1 and beyond."""
    obtained: str

    @property
    def fits(self) -> bool:
        """Whether the budget, if there is one, is kept."""
        return self.share is None or self.share <= 1


def headline(
    summary: Mapping[str, Any],
    mcu: McuConfig,
    limits: Mapping[str, float | None] | None = None,
) -> list[HeadlineRow]:
    """Rows for every known figure that ``summary`` holds. ``limits`` replace or add to the MCU's flash and SRAM
    sizes."""
    known_limits = {key: limit for key, limit in (limits or {}).items() if limit is not None}
    budgets: dict[str, float] = {"flash_bytes": mcu.flash_bytes, "sram_bytes": mcu.sram_bytes, **known_limits}
    kind = summary.get("code_kind")
    said = {
        "{mcu}": mcu.name.upper(),
        "{validation}": mcu.validation,
        "{uncertainty}": f"; {mcu.uncertainty.sentence(kind)}" if kind else "",
    }
    rows = []
    for metric in METRICS:
        value = summary.get(metric.key)
        if value is None:
            continue
        budget = budgets.get(metric.key)
        rows.append(
            HeadlineRow(
                key=metric.key,
                label=metric.label,
                value=metric.text(value),
                short=metric.shorten(value),
                budget=metric.shorten(budget) if budget is not None else _NO_LIMIT if metric.key in _LIMITED else "",
                share=value / budget if budget else None,
                obtained=reduce(lambda text, word: text.replace(word, said[word]), said, metric.obtained),
            )
        )
    return rows
