# SPDX-License-Identifier: Apache-2.0
"""A microcontroller in software: executes firmware bit for bit and counts its cycles.

`Simulator` is the entry; the C++ core is under ``core/``, its rules are explained in ``docs/timing_model.md``.
"""

from tinyformer.mcu.simulator.export import print_result, process_status, result_values, to_speedscope, with_names
from tinyformer.mcu.simulator.result import (
    Cost,
    Fault,
    FunctionCost,
    LayerCost,
    RegionCost,
    SimulationResult,
    StopReason,
)
from tinyformer.mcu.simulator.simulator import Limits, SerialStep, Simulator

__all__ = [
    "Cost",
    "Fault",
    "FunctionCost",
    "LayerCost",
    "Limits",
    "RegionCost",
    "SerialStep",
    "SimulationResult",
    "Simulator",
    "StopReason",
    "print_result",
    "process_status",
    "result_values",
    "to_speedscope",
    "with_names",
]
