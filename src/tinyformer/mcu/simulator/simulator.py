"""Runs firmware on a simulated microcontroller."""

from __future__ import annotations

import ctypes
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tinyformer.config.mcu import McuConfig
from tinyformer.errors import TinyFormerError
from tinyformer.mcu.simulator.image import FirmwareImage, load_image
from tinyformer.mcu.simulator.native import load_core
from tinyformer.mcu.simulator.result import (
    CacheStatistics,
    Fault,
    FunctionCost,
    LayerCost,
    RegionCost,
    SimulationResult,
    StopReason,
)

_MEMORY_KINDS = ("flash", "itcm", "dtcm", "sram")
_MESSAGE_BYTES = 512


@dataclass(frozen=True)
class Limits:
    """When to stop a program that does not end by itself."""

    instructions: int = 20_000_000_000
    stop_text: bytes = b""
    """Stop as soon as this has been printed."""


class Simulator:
    """A simulated microcontroller.

    Args:
        mcu: the chip.
        mode: ``timing`` counts cycles; ``functional`` only executes, several times faster. Outputs and instruction
            counts of both are equal, unless the program reads a clock.
    """

    def __init__(self, mcu: McuConfig, mode: Literal["timing", "functional"] = "timing") -> None:
        self.mcu = mcu
        self.mode = mode

    def run(
        self,
        image: Path,
        stdin: bytes = b"",
        limits: Limits | None = None,
        *,
        uart: bytes = b"",
        check_accesses: bool = False,
    ) -> SimulationResult:
        """Boot a firmware from reset and run it until it ends, fails, or reaches a limit.

        Args:
            image: an ELF file, or the raw content of the flash.
            stdin: what the program reads by semihosting.
            limits: when to stop.
            uart: what the program receives on its serial ports.
            check_accesses: compare each address that the cycle model computes with the emulator's (slow; for tests).

        Returns:
            The result, also for programs that fail (see `SimulationResult.ok`).

        Raises:
            TinyFormerError: the image cannot be loaded or the simulator cannot be built.
        """
        limits = limits or Limits()
        firmware = load_image(Path(image), self.mcu)
        core = load_core()
        error = ctypes.create_string_buffer(_MESSAGE_BYTES)
        settings = _settings(self.mcu, self.mode == "timing", check_accesses).encode()
        handle = core.simulator_create(settings, error, _MESSAGE_BYTES)
        if not handle:
            raise TinyFormerError(f"The simulator of {self.mcu.name} cannot start: {error.value.decode()}.")
        try:
            self._prepare(core, handle, firmware)
            for channel, text in enumerate((stdin, uart, limits.stop_text)):
                core.simulator_set_text(handle, channel, text, len(text))
            begin = time.thread_time()
            succeeded = core.simulator_run(handle, limits.instructions, error, _MESSAGE_BYTES)
            seconds = time.thread_time() - begin
            if not succeeded:
                raise TinyFormerError(f"The simulator of {self.mcu.name} failed: {error.value.decode()}.")
            report = json.loads(core.simulator_report(handle))
            size = ctypes.c_size_t()
            data = core.simulator_output(handle, ctypes.byref(size))
            return self._result(firmware, report, ctypes.string_at(data, size.value), seconds)
        finally:
            core.simulator_destroy(handle)

    def _prepare(self, core: ctypes.CDLL, handle: int, firmware: FirmwareImage) -> None:
        for address, content in firmware.segments:
            if not core.simulator_load(handle, address, content, len(content)):
                raise TinyFormerError(
                    f"The firmware '{firmware.path}' loads {len(content):,} bytes at {address:#010x}, outside the "
                    f"memories of {self.mcu.name}: was it built for another microcontroller?"
                )
        for function in firmware.functions:
            layer = function.layer is not None
            core.simulator_add_symbol(handle, function.address, function.bytes, function.name.encode(), layer)
        limit, top = firmware.symbols.get("__stack_limit"), firmware.symbols.get("__stack_top")
        if limit is not None and top is not None:
            core.simulator_watch_stack(handle, limit, top)

    def _result(
        self, firmware: FirmwareImage, report: dict[str, Any], stdout: bytes, seconds: float
    ) -> SimulationResult:
        names: list[str] = report["symbols"]
        layers = {function.name: function.layer for function in firmware.functions}
        reason = StopReason(report["reason"])
        fault = None
        if reason in (StopReason.FAULT, StopReason.LOCKUP, StopReason.INSTRUCTION_LIMIT):
            fault = self._fault(firmware, report["fault"], reason)
        functions = [
            FunctionCost(**_cost(entry), name=names[entry["symbol"]] if entry["symbol"] >= 0 else "(unknown)")
            for entry in report["functions"]
        ]
        functions.sort(key=lambda function: (-function.cycles, -function.instructions, function.name))
        return SimulationResult(
            mcu=self.mcu.name,
            mode=self.mode,
            reason=reason,
            exit_code=report["exit_code"],
            stdout=stdout,
            cycles=report["cycles"],
            instructions=report["instructions"],
            milliseconds=self.mcu.milliseconds(report["cycles"]),
            validation=self.mcu.validation,
            causes=report["causes"],
            functions=functions,
            layers=[
                LayerCost(
                    **_cost(entry), name=names[entry["identifier"]], layer=layers[names[entry["identifier"]]] or 0
                )
                for entry in report["layers"]
            ],
            regions=[RegionCost(**_cost(entry), region=entry["identifier"]) for entry in report["regions"]],
            instruction_cache=CacheStatistics(**report["instruction_cache"]),
            data_cache=CacheStatistics(**report["data_cache"]),
            branches=report["branches"],
            branches_mispredicted=report["mispredicted"],
            stack_bytes=report["stack_high_water"],
            seconds=seconds,
            fault=fault,
            unknown_accesses=report["unknown_accesses"],
            wrong_accesses=report["wrong_accesses"],
            checked_accesses=report["checked_accesses"],
        )

    def _fault(self, firmware: FirmwareImage, fault: dict[str, Any], reason: StopReason) -> Fault:
        kind = "infinite loop" if reason is StopReason.LOCKUP else fault["kind"]
        limit, top = firmware.symbols.get("__stack_limit"), firmware.symbols.get("__stack_top")
        if limit is not None and top is not None and limit - (top - limit) <= fault["address"] < limit:
            kind = f"stack overflow ({top - limit} bytes of stack): {kind}"
        # A jump into nothing is the fault of the caller.
        code = fault["pc"] if firmware.function_at(fault["pc"]) else (fault["lr"] & ~1) - 2
        return Fault(
            kind, fault["address"], fault["pc"], fault["lr"], firmware.function_at(code), firmware.line_at(code)
        )


def _cost(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: entry[key] for key in ("cycles", "instructions", "causes")}


def _settings(mcu: McuConfig, timing: bool, check_accesses: bool) -> str:
    """The chip in the core's form: a line of ``name value`` for each setting."""
    settings: dict[str, object] = {
        "core": mcu.core,
        "family": mcu.family,
        "clock_hz": mcu.clock_hz,
        "timing": int(timing),
        "check_accesses": int(check_accesses),
    }
    for key, value in mcu.timing.model_dump().items():
        settings[f"timing.{key}"] = value
    for key, cache in (("instruction_cache", mcu.instruction_cache), ("data_cache", mcu.data_cache)):
        settings[key] = f"{cache.bytes} {cache.ways}" if cache else "0 0"
    for index, region in enumerate(mcu.memories.values()):
        starts = " ".join(str(start) for start in (region.start, *region.aliases))
        settings[f"memory.{index}"] = f"{_MEMORY_KINDS.index(region.kind)} {region.bytes} {starts}"
    for index, uart in enumerate(mcu.uarts.values()):
        settings[f"uart.{index}"] = f"{uart.base} {uart.irq} {int(uart.layout == 'sr')}"
    for index, timer in enumerate(mcu.timers.values()):
        settings[f"timer.{index}"] = f"{timer.base} {timer.irq} {timer.clock_hz} {timer.bits}"
    if mcu.timing.model == "single-issue":
        settings["reset_register.0"] = f"{mcu.timing.accelerator_control} {mcu.timing.accelerator_reset_value}"
        settings["flash_wait_states"] = mcu.flash_wait_states
    return "".join(f"{key} {value}\n" for key, value in settings.items())
