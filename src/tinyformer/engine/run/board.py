# SPDX-License-Identifier: Apache-2.0
"""The generated C on a board: its firmware, and the conversation over the serial port.

The protocol is described in the package's ``example/main_uart.c``.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from tinyformer.config.board import BoardConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.run.buffers import input_rows, output_bytes, split_outputs
from tinyformer.engine.run.firmware import arena_region
from tinyformer.engine.run.package_files import Package, open_package
from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Int8Array
from tinyformer.mcu.board import BOARDS
from tinyformer.mcu.simulator import SerialStep, Simulator
from tinyformer.mcu.toolchain import link_firmware

_ATTEMPTS = 3
"""Of an image whose checksum is wrong, on either side."""
_GREETINGS = 10
_GREETING_SECONDS = 1.0


class Port(Protocol):
    """A serial port, as pyserial has it; ``read`` returns less than it is asked for where its time is up."""

    timeout: float | None

    def read(self, size: int) -> bytes:
        """Receive."""
        ...

    def write(self, data: bytes) -> int | None:
        """Send."""
        ...

    def reset_input_buffer(self) -> None:
        """Forget what was received."""
        ...


@dataclass(frozen=True)
class BoardRun:
    """Outputs and cycles of N images."""

    outputs: list[Int8Array]
    """Each output as (N, ...)."""
    cycles: list[int]
    """Of each inference, by the core's own cycle counter."""


def build_board_firmware(directory: Path, board: BoardConfig, mcu: McuConfig, output: Path) -> Path:
    """Link the package in ``directory`` and its serial example to an ELF file for ``board``.

    Raises:
        TinyFormerError: there is no package, or it does not fit the microcontroller.
    """
    package = open_package(directory)
    report = package.report
    support = BOARDS / board.support
    return link_firmware(
        [*package.sources, directory / "example" / "main_uart.c", *sorted(support.glob("*.c"))],
        [package.include, directory / "example", support],
        mcu,
        output,
        board.defines(),
        optimize=report["optimize"],
        stack_bytes=report["stack_bytes"],
        arena=arena_region(mcu, report["stack_bytes"], report["arena_bytes"]),
    )


class BoardLink:
    """A board that runs the firmware of a package, at the other end of a serial port."""

    def __init__(self, port: Port, package: Package, seconds: float) -> None:
        """Greet the board. ``seconds`` is the longest that one inference may take.

        Raises:
            TinyFormerError: nobody answers, or the board runs another model.
        """
        self._port, self._package, self._seconds = port, package, seconds
        rows = int(np.prod(package.input_shape))
        expected = f"tinyformer {package.name} {rows} {output_bytes(package)}"
        port.timeout = _GREETING_SECONDS
        for _ in range(_GREETINGS):
            port.reset_input_buffer()
            port.write(b"?")
            answer = self._line()
            if answer.startswith("tinyformer "):
                break
        else:
            raise TinyFormerError(
                "No answer from the board: check port and baud rate, flash the firmware (--flash, or the ELF file that "
                "--firmware names), and press its reset button."
            )
        if answer != expected:
            raise TinyFormerError(f"The board runs '{answer}', not '{expected}': flash this package's firmware.")

    def infer(self, image: bytes) -> tuple[bytes, int]:
        """Output and cycles of one inference.

        Raises:
            TinyFormerError: the board reports an error, stays silent, or the line damages what it carries.
        """
        size = output_bytes(self._package)
        for _ in range(_ATTEMPTS):
            self._port.timeout = self._seconds
            self._port.write(request(image))
            kind = self._port.read(1)
            if kind == b"O":
                answer = self._port.read(4 + size + 4)
                if len(answer) == 4 + size + 4 and checksum(answer[:-4]) == answer[-4:]:
                    return answer[4:-4], int.from_bytes(answer[:4], "little")
            elif kind == b"F":
                [status] = self._port.read(1) or b"\0"
                raise TinyFormerError(f"The board's inference failed with status {-status}.")
            elif not kind:
                raise TinyFormerError(f"The board did not answer within {self._seconds:.0f} s: reset it and try again.")
            time.sleep(0.1)
            self._port.reset_input_buffer()
        raise TinyFormerError("The serial line damages what it carries: shorten the cable, or lower the board's baud.")

    def _line(self) -> str:
        text = b""
        while not text.endswith(b"\n") and len(text) < 200 and (byte := self._port.read(1)):
            text += byte
        return text.decode("ascii", errors="replace").strip()


def run_on_board(link: BoardLink, package: Package, images: Int8Array) -> BoardRun:
    """Run ``images`` (N, H, W, C) on the board.

    Raises:
        TinyFormerError: as :meth:`BoardLink.infer`.
    """
    answers = [link.infer(row.tobytes()) for row in input_rows(package, images)]
    return _run(package, answers)


def run_board_firmware(elf: Path, mcu: McuConfig, package: Package, images: Int8Array) -> BoardRun:
    """The same conversation with the simulated ``mcu``.

    Raises:
        TinyFormerError: the firmware did not answer each image.
    """
    steps = [SerialStep(request(row.tobytes())) for row in input_rows(package, images)]
    size = output_bytes(package)
    result = Simulator(mcu).run(elf, uart=steps)
    length = 1 + 4 + size + 4
    answers = [result.stdout[i : i + length] for i in range(0, len(result.stdout), length)]
    if len(answers) != len(steps) or any(len(a) != length or checksum(a[1:-4]) != a[-4:] for a in answers):
        raise TinyFormerError(f"The firmware {elf.name} did not answer each image on the simulated {mcu.name}.")
    return _run(package, [(a[5:-4], int.from_bytes(a[1:5], "little")) for a in answers])


def request(image: bytes) -> bytes:
    """What asks for the inference of ``image``."""
    return b"I" + image + checksum(image)


def checksum(data: bytes) -> bytes:
    """CRC-32, 4 bytes, the lowest first."""
    return struct.pack("<I", zlib.crc32(data))


def _run(package: Package, answers: Sequence[tuple[bytes, int]]) -> BoardRun:
    rows = np.stack([np.frombuffer(output, np.int8) for output, _ in answers])
    return BoardRun(split_outputs(package, rows), [cycles for _, cycles in answers])
