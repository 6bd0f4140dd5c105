# SPDX-License-Identifier: Apache-2.0
"""Firmware that behaves like that of others runs with the documented command."""

from __future__ import annotations

import math
import os
import struct
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.mcu.conftest import FIRMWARE
from tinyformer.cli import main
from tinyformer.config.mcu import McuConfig
from tinyformer.errors import TinyFormerError
from tinyformer.mcu.simulator import Limits, Simulator, StopReason, process_status
from tinyformer.mcu.simulator.image import load_image
from tinyformer.mcu.simulator.terminal import pseudo_terminal
from tinyformer.mcu.target import load_mcu
from tinyformer.mcu.toolchain import link_firmware

Build = Callable[..., Path]


@pytest.fixture(scope="module")
def command_loop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("loop")
    return link_firmware([FIRMWARE / "command_loop.c"], [], load_mcu("stm32f746"), directory / "loop.elf")


def simulate(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["simulate", *map(str, arguments)])


@pytest.mark.parametrize("functional", [False, True])
def test_a_command_loop_gets_its_input_after_its_prompt(command_loop: Path, functional: bool) -> None:
    result = simulate(command_loop, "--uart", "name%", *(["--functional"] if functional else []))
    assert result.exit_code == 0, result.output
    assert result.stdout == "m-ready\nm-name-simulated\nm-ready\n"
    assert "waits for input on its serial port" in result.stderr


def test_a_conversation_waits_for_what_it_expects(command_loop: Path, tmp_path: Path) -> None:
    script = tmp_path / "conversation.txt"
    lines = ["# commands", "send name%", "expect m-ready\\n", "send lost%", "", "expect m-ready", "send sleep%"]
    script.write_text("\n".join([*lines, "expect m-ready", "send name%"]))
    result = simulate(command_loop, "--uart-script", script)
    assert result.exit_code == 0, result.output
    assert result.stdout == "m-ready\nm-name-simulated\nm-ready\n0\nm-ready\nm-ready\nm-name-simulated\nm-ready\n"


def test_input_can_wait_for_a_text(command_loop: Path) -> None:
    result = simulate(command_loop, "--uart", "name%", "--uart-after", "ready", "--until", "simulated")
    assert result.exit_code == 0, result.output
    assert result.stdout == "m-ready\nm-name-simulated"
    never = simulate(command_loop, "--uart", "name%", "--uart-after", "never")
    assert "was not printed" in never.stderr


def test_time_is_that_of_prescaled_timers(command_loop: Path) -> None:
    result = simulate(command_loop, "--uart", "time%")
    assert int(result.stdout.split()[1]) == pytest.approx(2000, abs=2)


def test_waiting_for_an_interrupt_costs_little(command_loop: Path, f746: McuConfig) -> None:
    result = Simulator(f746).run(command_loop, uart=b"delay%")
    assert b"delayed" in result.stdout
    assert result.milliseconds > 300
    assert result.instructions < 20_000_000  # 65 million cycles pass


def test_an_error_handler_is_a_lockup(command_loop: Path) -> None:
    result = simulate(command_loop, "--uart", "fail%")
    assert result.exit_code == 102
    assert "infinite loop with interrupts masked" in result.stderr
    assert "Error_Handler" in result.stderr


def test_a_pin_that_the_board_drives(command_loop: Path, tmp_path: Path) -> None:
    for level, printed in ((1, "m-ready\n"), (0, "")):
        chip = tmp_path / f"board{level}.yaml"
        chip.write_text(f"defaults: [stm32f746@_here_, _self_]\nname: board\npins: {{PG6: {level}}}\n")
        result = simulate(command_loop, "--mcu", chip, "--limit", 3_000_000)
        assert result.stdout == printed
    chip.write_text("defaults: [stm32f746@_here_, _self_]\nname: board\npins: {PZ6: 1}\n")
    result = simulate(command_loop, "--mcu", chip)
    assert result.exit_code == 1
    assert "has no pin 'PZ6' (PA0 to PK15)" in result.output


@pytest.mark.parametrize(("mcu", "defines"), [("stm32f746", []), ("stm32l4r5", ["CHANNELS"])])
def test_dma_receives_and_sends(mcu: str, defines: list[str], build: Build, tmp_path: Path) -> None:
    image = build("dma_echo", load_mcu(mcu), defines=defines)
    script = tmp_path / "conversation.txt"
    script.write_text("send hello\nexpect HELLO\nsend dma world\nexpect WORLD\nsend again\n")
    result = simulate(image, "--mcu", mcu, "--uart-script", script)
    assert result.exit_code == 0, result.output
    assert result.stdout == "HELLODMA WORLDAGAIN"


def intel_hex(segments: list[tuple[int, bytes]]) -> str:
    lines = []

    def record(kind: int, address: int, data: bytes) -> None:
        values = bytes([len(data), address >> 8, address & 0xFF, kind]) + data
        lines.append(":" + (values + bytes([-sum(values) & 0xFF])).hex().upper())

    for start, data in segments:
        for offset in range(0, len(data), 16):
            address = start + offset
            record(4, 0, (address >> 16).to_bytes(2))
            record(0, address & 0xFFFF, data[offset : offset + 16])
    record(5, 0, (0x08000001).to_bytes(4))
    record(1, 0, b"")
    return "\r\n".join(lines) + "\r\n"


def test_intel_hex_runs_like_its_elf_file(command_loop: Path, f746: McuConfig, tmp_path: Path) -> None:
    text = intel_hex(load_image(command_loop, f746).segments)
    path = tmp_path / "loop.hex"
    path.write_text(text)
    result = simulate(path, "--uart", "name%")
    assert result.stdout == "m-ready\nm-name-simulated\nm-ready\n"
    for damaged, message in (
        (text.replace("0800", "0900", 1), "checksum of line 1 is wrong"),
        (text[: len(text) // 2], "no Intel HEX record|cut short"),
    ):
        path.write_text(damaged)
        with pytest.raises(TinyFormerError, match=message):
            load_image(path, f746)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a PNG image"),
        (b"PK\x03\x04" + bytes(100), "a ZIP archive"),
        (b"int main(void) { return 0; }\n", "text"),
        (b"S00600004844521B\nS1137AF00A0A0D0000000000000000000000000061\n", "Motorola S-records"),
        (b"\x1c\0\0\0TFL3" + bytes(100), "a TensorFlow Lite model"),
        (bytes(range(256)), "vector table"),
    ],
)
def test_what_is_no_firmware_is_named(content: bytes, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    result = simulate(path)
    assert result.exit_code == 1
    assert kind in result.output
    assert "Traceback" not in result.output


def test_special_files_are_no_firmware(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "no regular file" in simulate(tmp_path / "fifo").output


def test_malformed_escapes_are_sentences(command_loop: Path) -> None:
    result = simulate(command_loop, "--uart", "\\x0")
    assert result.exit_code == 1
    assert "malformed escape" in result.output


def expected_doubles() -> list[float]:
    x, y, z = 1.1, -2.7, 1e300
    single = struct.unpack("f", struct.pack("f", 0.3))[0]
    x_single = struct.unpack("f", struct.pack("f", x))[0]
    exact_x, exact_y = Fraction(x), Fraction(y)
    fused = [float(exact_x * exact_y + exact_x), float(-exact_x * exact_y + exact_x)]
    total = 0.0
    for k in range(1, 1001):
        total += 1.0 / k
    return [
        *(x + y, x - y, x * y, x / y, x * y + z, *fused, -(x * y), math.sqrt(x), abs(y), -x, single, x_single),
        *(-7.0, 4e9, -27.0, 1100.0, 2147483647.0, 0.5, 31.0, x, total),
    ]


def test_double_precision_is_that_of_the_host(build: Build) -> None:
    mcu = load_mcu("stm32h743").model_copy(update={"cpu": "cortex_m7+fp_armv8d16"})
    image = build("double_precision", mcu)
    for mode in ("timing", "functional"):
        result = Simulator(mcu, mode).run(image)
        assert result.ok, result
        assert [struct.unpack(">d", bytes.fromhex(line))[0] for line in result.text.split()] == expected_doubles()
    single = load_mcu("stm32f746").model_copy(update={"cpu": "cortex_m7+fp_armv8d16"})
    result = Simulator(single).run(build("double_precision", single))
    assert "double-precision instruction, which the FPU of this chip does not have" in str(result.fault)


def test_a_host_program_talks_to_a_pseudo_terminal(command_loop: Path, f746: McuConfig) -> None:
    with pseudo_terminal() as (terminal, name):
        heard = []

        def host() -> None:
            port = os.open(name, os.O_RDWR | os.O_NOCTTY)
            text = b""
            for command in (b"name%", b"sleep%", b"lost%", b"fail%"):
                while not text.endswith(b"m-ready\n"):
                    text += os.read(port, 64)
                heard.append(text)
                text = b""
                os.write(port, command)
            os.close(port)

        thread = threading.Thread(target=host)
        thread.start()
        result = Simulator(f746).run(command_loop, terminal=terminal)
        thread.join(10)
    assert result.reason is StopReason.LOCKUP
    assert heard == [b"m-ready\n", b"m-name-simulated\nm-ready\n", b"m-ready\n", b"0\nm-ready\n"]


SEMIHOST = """
#include <stdint.h>
#include "semihost.h"
static uint8_t text[100000];
int main(void) { %s }
"""


def test_output_is_bounded(build: Build, f746: McuConfig) -> None:
    image = build(SEMIHOST % "for (;;) { semihost_write(text, sizeof text); }", f746)
    begin = time.monotonic()
    result = Simulator(f746).run(image, limits=Limits(output_bytes=1_000_000))
    assert result.reason is StopReason.OUTPUT_LIMIT
    assert len(result.stdout) == 1_000_000
    assert process_status(result) == 105
    assert time.monotonic() - begin < 60


def test_a_failure_is_never_status_0(build: Build, f746: McuConfig) -> None:
    result = simulate(build(SEMIHOST % "semihost_exit(0x12345600); return 0;", f746))
    assert result.exit_code == 1


def test_firmware_without_its_input_says_so(build: Build, f746: McuConfig) -> None:
    result = simulate(build(SEMIHOST % "return semihost_read(text, 4) != 0;", f746))
    assert "waits for input by semihosting" in result.stderr
