# SPDX-License-Identifier: Apache-2.0
"""Costs of kernels on one microcontroller: cycles as linear models of counts, and bytes of code.

A table is measured once for each target (:mod:`.profiling`) and kept as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tinyformer.engine.costs.features import Features
from tinyformer.errors import TinyFormerError


@dataclass(frozen=True)
class CostTable:
    """Costs on the microcontroller ``mcu``.

    ``cycles`` maps a kernel (with its encoding) to cycles per count (:func:`.features.features`), and
    ``parameter_bytes`` to the size of its parameters in flash; ``code_bytes`` maps a kernel's source file to its
    compiled size. Each layer adds ``call_bytes`` of code; ``fixed_bytes`` is all else in flash (start-up code, vectors,
    main program).
    """

    mcu: str
    cycles: Mapping[str, Mapping[str, float]]
    parameter_bytes: Mapping[str, int]
    code_bytes: Mapping[str, int]
    call_bytes: float
    fixed_bytes: float

    def layer_cycles(self, kernel: str, counts: Features) -> float:
        """Cycles of one operator run by ``kernel`` (:func:`.features.kernel_key`).

        A kernel that no sample needed counts as slow as the slowest one for its operator. Raises
        :class:`TinyFormerError` if none is known for that operator.
        """
        return max(
            sum(self.cycles[known].get(name, 0.0) * count for name, count in counts.items())
            for known in self._stand_ins(kernel)
        )

    def layer_bytes(self, kernel: str) -> float:
        """Bytes of flash that one operator adds beside its weights and tables. Raises as :meth:`layer_cycles`."""
        return max(self.parameter_bytes[known] for known in self._stand_ins(kernel)) + self.call_bytes

    def firmware_bytes(self, sources: Iterable[str]) -> float:
        """Bytes of flash without any layer, for a firmware that needs ``sources``."""
        return self.fixed_bytes + sum(self.code_bytes.get(source, 0) for source in set(sources))

    def _stand_ins(self, kernel: str) -> list[str]:
        """``kernel`` itself, or all that were measured for the same operator."""
        if kernel in self.cycles:
            return [kernel]
        operator = kernel.split(maxsplit=1)[0]
        found = [known for known in self.cycles if known.split()[0] == operator]
        if not found:
            raise TinyFormerError(
                f"The cost table of {self.mcu} knows no kernel for {operator}: measure it again (profile_mcu)."
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> CostTable:
        """Inverse of :meth:`to_dict`. Raises :class:`TinyFormerError` on anything else."""
        try:
            return CostTable(**data)
        except TypeError as error:
            raise TinyFormerError(f"This is not a cost table ({error}): measure it again (profile_mcu).") from error


def fit_cycles(samples: Sequence[tuple[Features, float]]) -> dict[str, float]:
    """Non-negative cycles per count that predict ``samples`` of (counts, cycles) with the least relative squared error.

    Counts that would enter negatively (collinear ones, mostly) are dropped, the most negative first, until none does.
    """
    names = sorted({name for counts, _ in samples for name in counts})
    cycles = np.array([measured for _, measured in samples], np.float64)
    counts = np.array([[row.get(name, 0.0) for name in names] for row, _ in samples], np.float64)
    relative = counts / cycles[:, None]
    scale = relative.max(axis=0)
    active = [i for i in range(len(names)) if scale[i] > 0]
    while True:
        solution, *_ = np.linalg.lstsq(relative[:, active] / scale[active], np.ones(len(cycles)), rcond=1e-9)
        if len(active) == 0 or solution.min() >= 0:
            break
        del active[int(np.argmin(solution))]
    return {names[i]: _rounded(value / scale[i]) for i, value in zip(active, solution, strict=True) if value > 0}


def _rounded(value: float) -> float:
    """Nine significant digits: more than was measured, fewer than linear algebra libraries differ in."""
    return float(f"{value:.9g}")
