# SPDX-License-Identifier: Apache-2.0
"""The simulated chip as a whole: boot, input and output, interrupts, faults, limits, profile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tinyformer.config.mcu import McuConfig
from tinyformer.errors import TinyFormerError
from tinyformer.mcu.simulator import Limits, SimulationResult, Simulator, StopReason
from tinyformer.mcu.simulator.image import load_image
from tinyformer.mcu.target import known_mcus, load_mcu

Build = Callable[..., Path]
MODES = ("timing", "functional")

HELLO = """
#include "runtime.h"
#include "semihost.h"
#include <string.h>
static volatile uint64_t large = 1000000000000ull;
static uint8_t copies[64] = {7, 8, 9};
__attribute__((section(".itcm"), noinline)) static uint32_t triple(uint32_t x) { return 3u * x; }
__attribute__((section(".dtcm"))) static uint32_t zeroed[4];
__attribute__((section(".dtcm_data"))) static uint32_t initialised[2] = {5, 6};
int main(void)
{
    char text[8];
    const size_t size = semihost_read(text, sizeof text);
    semihost_write(text, size);
    memmove(copies + 1, copies, 8);
    semihost_print_u32((uint32_t)(large / 7u) + copies[3] + triple(initialised[1]) + zeroed[2]);
    return 3;
}
"""
# large / 7 = 142857142857 = 1123221065 mod 2**32; + 9 + 18 + 0
HELLO_NUMBER = (1_000_000_000_000 // 7) % 2**32 + 9 + 18

# Predicated loads and stores: unicorn 2.1 with a memory hook skips instructions after them.
IF_THEN = """
.syntax unified
.thumb
.global main
.thumb_func
main:
push {r4-r7, lr}
ldr r0, =0x20020000
movs r1, #0
movs r2, #0
movs r4, #200
1: ands r3, r4, #3
ittee eq
ldreq r5, [r0]
addeq r2, r2, r5
addne r5, r2, #7
strne r5, [r0]
cmp r3, #2
ite hi
strhi r4, [r0, #4]
ldrls r6, [r0, #4]
add r1, r1, r6
subs r4, r4, #1
bne 1b
add r0, r1, r2
and r0, r0, #0x7f
pop {r4-r7, pc}
"""

LAYERS = """
#include <stdint.h>
volatile uint32_t sink;
__attribute__((noinline)) static void work(uint32_t n) { while (n--) { sink += n; } }
__attribute__((noinline)) void net_layer_0(void) { work(1000); sink = 1; }
__attribute__((noinline)) void net_layer_1(void) { work(3000); sink = 2; }
__attribute__((noinline)) void net_layer_2(void) { work(500); sink = 3; }
__attribute__((noinline)) void net_invoke(void) { net_layer_0(); net_layer_1(); net_layer_2(); }
int main(void) { net_invoke(); work(20000); net_invoke(); work(20000); return 0; }
"""


@pytest.mark.parametrize("name", known_mcus())
def test_every_target_boots(name: str, build: Build) -> None:
    mcu = load_mcu(name)
    image = build(HELLO, mcu)
    results = [Simulator(mcu, mode).run(image, b"input") for mode in MODES]
    for result in results:
        assert result.reason is StopReason.EXIT
        assert result.exit_code == 3
        assert result.text == f"input{HELLO_NUMBER}"
    assert results[0].instructions == results[1].instructions
    assert results[0].cycles > results[0].instructions / 2
    assert results[1].cycles == 0


def test_elf_and_raw_binary_agree(build: Build, f746: McuConfig, tmp_path: Path) -> None:
    image = build(HELLO, f746)
    binary = tmp_path / "program.bin"
    content = bytearray(f746.flash_bytes)
    end = 0
    for address, data in load_image(image, f746).segments:
        offset = address - f746.flash.start
        content[offset : offset + len(data)] = data
        end = max(end, offset + len(data))
    binary.write_bytes(content[:end])
    from_elf, from_binary = (Simulator(f746).run(path, b"abc") for path in (image, binary))
    assert (from_elf.stdout, from_elf.cycles, from_elf.causes) == (
        from_binary.stdout,
        from_binary.cycles,
        from_binary.causes,
    )


def test_runs_are_reproducible(build: Build, f746: McuConfig) -> None:
    image = build(LAYERS, f746)
    assert Simulator(f746).run(image).causes == Simulator(f746).run(image).causes


@pytest.mark.parametrize("name", ["stm32f746", "stm32l4r5"])
def test_predicated_accesses_execute_alike_in_all_modes(name: str, build: Build) -> None:
    mcu = load_mcu(name)
    image = build(IF_THEN, mcu, suffix=".S")
    # The same in Python.
    word, other, total, sum_of_loads, r5, r6 = 0, 0, 0, 0, 3, 0
    for r4 in range(200, 0, -1):
        if r4 & 3 == 0:
            r5 = word
            sum_of_loads += r5
        else:
            r5 = sum_of_loads + 7
            word = r5
        if r4 & 3 > 2:
            other = r4
        else:
            r6 = other
        total += r6
    expected = (total + sum_of_loads) & 0x7F
    functional = Simulator(mcu, "functional").run(image)
    timing = Simulator(mcu).run(image)
    hooked = Simulator(mcu).run(image, check_accesses=True)
    assert functional.exit_code == timing.exit_code == hooked.exit_code == expected
    assert functional.instructions == timing.instructions == hooked.instructions
    assert timing.cycles == hooked.cycles
    assert hooked.checked_accesses > 200
    assert hooked.wrong_accesses == 0


@pytest.mark.parametrize(
    ("choice", "kind", "function"),
    [
        ("f", "write to read-only memory at address 0x08001000", "write_to_flash"),
        ("s", "write outside the memories at address 0x20050000", "write_beyond_sram"),
        ("r", "read outside the memories at address 0x70000000", "read_nowhere"),
        ("o", "stack overflow (8192 bytes of stack)", "overflow_stack"),
        ("l", "infinite loop", "loop_for_ever"),
        ("w", "instruction limit", "loop_with_work"),
        ("u", "undefined instruction", "undefined_instruction"),
        ("j", "execution outside the memories at address 0x70000000", "jump_into_nothing"),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_failures_are_explained(
    choice: str, kind: str, function: str, mode: str, build: Build, f746: McuConfig
) -> None:
    result = Simulator(f746, mode).run(build("faults", f746), choice.encode(), Limits(instructions=100_000))
    assert not result.ok
    assert result.exit_code == 1
    assert result.text == "choice\n", "what was printed before is kept"
    assert kind in str(result.fault)
    assert function in str(result.fault)
    assert "faults.c:" in str(result.fault)


def test_interrupt_driven_echo(build: Build, f746: McuConfig) -> None:
    result = Simulator(f746).run(build("echo", f746), uart=b"hello, World.", limits=Limits(instructions=10_000_000))
    assert result.ok, result
    text, numbers, _ = result.text.split("\n")
    received, ticks, microseconds = map(int, numbers.split())
    assert text == "HELLO, WORLD."
    assert received == 13
    # Twelve byte times of 87 us pass between the first byte and the last.
    assert 12 * 86.8 <= microseconds <= 13 * 90
    assert ticks >= microseconds // 1000


def test_firmware_that_times_itself(build: Build, f746: McuConfig) -> None:
    result = Simulator(f746).run(build("self_timing", f746), uart=b"nr")
    assert result.reason is StopReason.INPUT_EXHAUSTED
    assert result.text.startswith("ready\nname simulated\ncycles ")
    # 1000 iterations of a cycle; call, return and the two readings take the rest.
    assert 1000 <= int(result.text.split()[-1]) <= 1100


def test_stops_at_a_text(build: Build, f746: McuConfig) -> None:
    limits = Limits(stop_text=b"simulated\n")
    result = Simulator(f746).run(build("self_timing", f746), uart=b"nr", limits=limits)
    assert result.ok
    assert result.stdout == b"ready\nname simulated\n"


def test_layers_are_told_apart(build: Build, f746: McuConfig) -> None:
    result = Simulator(f746).run(build(LAYERS, f746))
    assert [layer.name for layer in result.layers] == [f"net_layer_{n}" for n in (0, 1, 2)] * 2
    instructions = [layer.instructions for layer in result.layers[3:]]
    # work(n) takes as many iterations as it says; neither the code between the invocations nor main() is counted.
    per_iteration = instructions[1] / 3000
    assert instructions[0] == pytest.approx(1000 * per_iteration, rel=0.02)
    assert instructions[2] == pytest.approx(500 * per_iteration, rel=0.03)
    for layer in result.layers:
        assert sum(layer.causes.values()) == layer.cycles
    assert result.layer_cycles()["net_layer_1"] == result.layers[1].cycles + result.layers[4].cycles


def test_function_profile_is_complete(build: Build, f746: McuConfig) -> None:
    result = Simulator(f746).run(build(LAYERS, f746))
    assert sum(function.cycles for function in result.functions) == result.cycles == sum(result.causes.values())
    assert sum(function.instructions for function in result.functions) == result.instructions
    assert result.functions[0].name == "work"


def test_stack_high_water_mark(build: Build, f746: McuConfig) -> None:
    program = """
    #include "runtime.h"
    __attribute__((noinline)) static int deep(int n)
    {
        char frame[1000];
        __asm volatile("strb %1, [%0]" ::"r"(frame), "r"(n) : "memory");
        return frame[0];
    }
    int main(void) { return deep(1) == 1 && runtime_stack_high_water() >= 1000 ? 0 : 1; }
    """
    result: SimulationResult = Simulator(f746).run(build(program, f746))
    assert result.ok
    assert 1000 <= result.stack_bytes <= 1200


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "too short"),
        (b"\x7fELF nonsense", "not a valid ELF"),
        (b"\0" * (1 << 21), "the flash of stm32f746 only 1,048,576"),
    ],
)
def test_bad_images_are_refused(content: bytes, message: str, f746: McuConfig, tmp_path: Path) -> None:
    path = tmp_path / "image.bin"
    path.write_bytes(content)
    with pytest.raises(TinyFormerError, match=message):
        Simulator(f746).run(path)


def test_image_of_another_chip_is_refused(build: Build, f746: McuConfig) -> None:
    program = "const volatile char large[1 << 20] = {1};\n\nint main(void) { return large[0]; }\n"
    image = build(program, load_mcu("stm32h743"))
    with pytest.raises(TinyFormerError, match="was it built for another microcontroller"):
        Simulator(f746).run(image)
