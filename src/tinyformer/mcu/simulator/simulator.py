# SPDX-License-Identifier: Apache-2.0
"""Runs firmware on a simulated microcontroller."""

from __future__ import annotations

import ctypes
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tinyformer.config.mcu import McuConfig
from tinyformer.errors import TinyFormerError
from tinyformer.mcu.simulator.code_kind import code_kind
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
class SerialStep:
    """What the host sends on the serial line, and when."""

    send: bytes
    expect: bytes = b""
    """Sent once this has been printed after the step before; empty: once the program listens and has gone quiet, for
    10 ms or, where it does nothing but wait, at once."""


@dataclass(frozen=True)
class Limits:
    """When to stop a program that does not end by itself."""

    instructions: int = 20_000_000_000
    stop_text: bytes = b""
    """Stop as soon as this has been printed."""
    output_bytes: int = 64 << 20
    """Stop a program that prints more."""


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
        uart: bytes | Sequence[SerialStep] = b"",
        terminal: int | None = None,
        check_accesses: bool = False,
    ) -> SimulationResult:
        """Boot a firmware from reset and run it until it ends, fails, or reaches a limit.

        Args:
            image: an ELF file, or the raw content of the flash.
            stdin: what the program reads by semihosting.
            limits: when to stop.
            uart: what the program receives on its serial ports: a text as soon as it has gone quiet, or a conversation.
            terminal: a file descriptor that does not block, in place of ``uart``: what comes from it is received, what
                the serial ports send goes to it. Such a run ends by itself only where the program or a limit ends it.
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
            for channel, text in enumerate((stdin, limits.stop_text)):
                core.simulator_set_text(handle, channel, text, len(text))
            core.simulator_limit_output(handle, limits.output_bytes)
            for step in _steps(uart):
                core.simulator_add_step(handle, step.expect, len(step.expect), step.send, len(step.send))
            if terminal is not None:
                core.simulator_attach(handle, terminal)
            succeeded, seconds = _run_interruptibly(core, handle, limits.instructions, error)
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
        kind = code_kind(report["causes"], report["instructions"], report["float_instructions"])
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
            kind=kind,
            uncertainty=self.mcu.uncertainty.sentence(kind),
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
            notes=_notes(reason, report, self.mcu),
        )

    def _fault(self, firmware: FirmwareImage, fault: dict[str, Any], reason: StopReason) -> Fault:
        kind = fault["kind"]
        limit, top = firmware.symbols.get("__stack_limit"), firmware.symbols.get("__stack_top")
        if limit is not None and top is not None and limit - (top - limit) <= fault["address"] < limit:
            kind = f"stack overflow ({top - limit} bytes of stack): {kind}"
        # A jump into nothing is the fault of the caller.
        code = fault["pc"] if firmware.function_at(fault["pc"]) else (fault["lr"] & ~1) - 2
        return Fault(
            kind, fault["address"], fault["pc"], fault["lr"], firmware.function_at(code), firmware.line_at(code)
        )


def _steps(uart: bytes | Sequence[SerialStep]) -> Sequence[SerialStep]:
    if not isinstance(uart, bytes):
        return uart
    return [SerialStep(uart)] if uart else []


def _run_interruptibly(core: ctypes.CDLL, handle: int, instructions: int, error: Any) -> tuple[bool, float]:
    """Run in a thread of its own, so that Ctrl-C ends the run; returns success and the processor time."""
    outcome: list[tuple[bool, float]] = []

    def work() -> None:
        begin = time.thread_time()
        succeeded = core.simulator_run(handle, instructions, error, _MESSAGE_BYTES)
        outcome.append((bool(succeeded), time.thread_time() - begin))

    thread = threading.Thread(target=work, name="simulator")
    thread.start()
    try:
        thread.join()
    except BaseException:
        core.simulator_interrupt(handle)
        thread.join()
        raise
    return outcome[0]


def _notes(reason: StopReason, report: dict[str, Any], mcu: McuConfig) -> list[str]:
    """What the user should know of the run beside its result."""
    notes = []
    if report["starved"]:
        notes.append("The firmware waits for input by semihosting, and none was given.")
    if reason is StopReason.INPUT_EXHAUSTED and report["unsent"]:
        notes.append("The firmware waits; the text after which it was to get more input was not printed.")
    elif reason is StopReason.INPUT_EXHAUSTED and report["listening"]:
        notes.append("The firmware waits for input on its serial port.")
    if idle := report["idle_cycles"]:
        notes.append(f"It did nothing else for the last {mcu.milliseconds(idle):,.0f} ms.")
    return notes


def _cost(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: entry[key] for key in ("cycles", "instructions", "causes")}


def _device_settings(mcu: McuConfig) -> dict[str, object]:
    """The chip's peripherals in the core's form (``peripheral.hpp``, ``clock_tree.hpp``)."""
    settings: dict[str, object] = {}
    buses = list(mcu.buses)
    for index, bus in enumerate(mcu.buses.values()):
        fields = (f"{prescaler.address} {prescaler.shift} {prescaler.width}" for prescaler in bus.prescalers)
        settings[f"bus.{index}"] = " ".join(fields)
    for index, uart in enumerate(mcu.uarts.values()):
        layout = uart.registers
        offsets = f"{layout.control} {layout.status} {layout.receive} {layout.transmit} {layout.baud}"
        line = f"{uart.base} {uart.irq} {buses.index(uart.bus)} {offsets} {layout.always_set} {layout.divisions}"
        settings[f"uart.{index}"] = line
    for index, timer in enumerate(mcu.timers.values()):
        settings[f"timer.{index}"] = f"{timer.base} {timer.irq} {buses.index(timer.bus)} {timer.bits}"
    for index, dma in enumerate(mcu.dma.values()):
        settings[f"dma.{index}"] = f"{dma.base} {int(dma.kind == 'streams')} {' '.join(map(str, dma.irqs))}"
    levels = {mcu.pin_position(pin): level for pin, level in mcu.pins.items()}
    for index in range(mcu.gpio.ports if mcu.gpio else 0):
        given = {number: level for (port, number), level in levels.items() if port == index}
        high = sum(level << number for number, level in given.items())
        base = mcu.gpio.port_base(index) if mcu.gpio else 0
        settings[f"gpio.{index}"] = f"{base} {sum(1 << number for number in given)} {high}"
    return settings


def _settings(mcu: McuConfig, timing: bool, check_accesses: bool) -> str:
    """The chip in the core's form: a line of ``name value`` for each setting."""
    settings: dict[str, object] = {
        "core": mcu.core,
        "clock_hz": mcu.clock_hz,
        "timing": int(timing),
        "check_accesses": int(check_accesses),
        "double_precision": int(mcu.double_precision),
    }
    for key, value in mcu.timing.model_dump().items():
        settings[f"timing.{key}"] = value
    for key, cache in (("instruction_cache", mcu.instruction_cache), ("data_cache", mcu.data_cache)):
        settings[key] = f"{cache.bytes} {cache.ways}" if cache else "0 0"
    for index, region in enumerate(mcu.memories.values()):
        starts = " ".join(str(start) for start in (region.start, *region.aliases))
        settings[f"memory.{index}"] = f"{_MEMORY_KINDS.index(region.kind)} {region.bytes} {starts}"
    settings |= _device_settings(mcu)
    resets = [(register.address, register.reset) for register in mcu.status_registers.values()]
    rules = [(register.address, rule) for register in mcu.status_registers.values() for rule in register.ready]
    if accelerator := mcu.flash_accelerator:
        settings["flash_wait_states"] = mcu.flash_wait_states
        for key in ("read_bytes", "line_bytes", "instruction_lines", "data_lines"):
            settings[f"flash_accelerator.{key}"] = getattr(accelerator, key)
        if control := accelerator.control:
            masks = f"{control.prefetch} {control.instruction_cache} {control.data_cache}"
            settings["flash_accelerator.control"] = f"{control.address} {masks}"
            resets.append((control.address, control.reset))
    for index, (address, reset) in enumerate(resets):
        settings[f"reset_register.{index}"] = f"{address} {reset}"
    for index, (address, rule) in enumerate(rules):
        settings[f"ready_rule.{index}"] = f"{address} {rule.follow} {rule.shift} {rule.set} {rule.clear}"
    return "".join(f"{key} {value}\n" for key, value in settings.items())
