"""A microcontroller in software: executes firmware bit for bit and counts its cycles.

`Simulator` is the entry; the C++ core is under ``core/``, its rules are explained in ``docs/timing_model.md``.
"""

from tinyformer.mcu.simulator.result import Cost, Fault, LayerCost, SimulationResult, StopReason
from tinyformer.mcu.simulator.simulator import Limits, Simulator

__all__ = ["Cost", "Fault", "LayerCost", "Limits", "SimulationResult", "Simulator", "StopReason"]
