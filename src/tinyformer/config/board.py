# SPDX-License-Identifier: Apache-2.0
"""Boards to measure on: a microcontroller, the serial port that reaches the computer, and how to flash it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tinyformer.config.base import Section
from tinyformer.config.mcu import Address, Word


class RegisterBits(Section):
    """Bits that switch something on."""

    address: Address
    mask: Word


class BoardUart(Section):
    """The serial port."""

    base: Address
    enable: RegisterBits
    """Its clock."""
    kernel_hz: int = Field(gt=0)
    """Of that clock, once the board's support code has set the clocks up."""
    baud: int = Field(ge=9600, le=4_000_000)


class BoardPin(Section):
    """A pin that carries the serial port."""

    port: Literal["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K"]
    pin: int = Field(ge=0, le=15)
    function: int = Field(ge=0, le=15)
    """Number of the alternate function."""


class BoardConfig(Section):
    """A file of ``tinyformer/mcu/boards``."""

    name: str
    mcu: str
    """A microcontroller of ``conf/mcu``."""
    support: Literal["stm32f7"]
    """The code that sets up clocks and serial port: a directory of ``tinyformer/mcu/boards``."""
    uart: BoardUart
    pins: tuple[BoardPin, BoardPin]
    """Transmit, receive."""
    openocd: str
    """OpenOCD's own description of the board."""
    pyocd: str
    """pyOCD's name of the target."""

    def defines(self) -> list[str]:
        """What the support code is compiled with."""
        uart = self.uart
        values = {
            "UART_BASE": uart.base,
            "UART_ENABLE_REGISTER": uart.enable.address,
            "UART_ENABLE_MASK": uart.enable.mask,
            "UART_DIVIDER": round(uart.kernel_hz / uart.baud),
        }
        for name, pin in zip(("TX", "RX"), self.pins, strict=True):
            values |= {
                f"{name}_PORT": ord(pin.port) - ord("A"),
                f"{name}_PIN": pin.pin,
                f"{name}_FUNCTION": pin.function,
            }
        return [f"BOARD_{name}={value:#x}u" for name, value in values.items()]
