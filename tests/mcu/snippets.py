# SPDX-License-Identifier: Apache-2.0
"""Tiny assembly snippets, timed in one firmware.

Each snippet is repeated 8 and 16 times in straight code without wait states (ITCM, or SRAM where there is none). The
difference of the two, divided by 8, is the cost of one repetition in the steady state: calls and returns cancel out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyformer.config.mcu import McuConfig
from tinyformer.mcu.simulator import RegionCost, Simulator

SHORT, LONG, PASSES = 8, 16, 3
_CALLER = """
#include <stdint.h>
#define REGION_BEGIN (*(volatile uint32_t *)0xE0000004u)
#define REGION_END (*(volatile uint32_t *)0xE0000008u)
typedef void (*snippet)(void *fast, void *sram, const void *flash);
extern const snippet snippets[];
extern const uint32_t snippet_count;
__attribute__((section(".dtcm"), aligned(64))) static uint32_t fast[64];
__attribute__((aligned(64))) static uint32_t sram[1024];
__attribute__((aligned(64))) static const uint32_t flash[1024] = {1};
int main(void)
{
    for (uint32_t i = 0; i < snippet_count; ++i) {
        for (int pass = 0; pass < 3; ++pass) {
            fast[0] = (uint32_t)(uintptr_t)fast;
            REGION_BEGIN = i;
            snippets[i](fast, sram, flash);
            REGION_END = i;
        }
    }
    return 0;
}
"""
_FUNCTION = """
.section .itcm, "ax", %progbits
.balign 32
.thumb_func
{name}:
push {{r4-r11, lr}}
movs r3, #1
movs r4, #2
movs r5, #3
movs r6, #4
movs r7, #5
b.w 1f
.balign 32
1:
{setup}
nop.w
nop.w
.rept {count}
{body}
.endr
nop.w
nop.w
pop {{r4-r11, pc}}
"""


@dataclass(frozen=True)
class Timing:
    """Both lengths of a snippet, in each of the passes: the first is cold, the last warm."""

    short: tuple[RegionCost, ...]
    long: tuple[RegionCost, ...]

    @property
    def cycles(self) -> float:
        """Cycles of one repetition, warm."""
        return (self.long[-1].cycles - self.short[-1].cycles) / (LONG - SHORT)

    @property
    def mispredicted(self) -> float:
        """The part of `cycles` that comes from mispredicting the calls of the snippets (Cortex-M7)."""
        return (self.long[-1].causes["branch"] - self.short[-1].causes["branch"]) / (LONG - SHORT)


def time_snippets(
    snippets: Mapping[str, tuple[str, str]], mcu: McuConfig, link: Callable[..., Path]
) -> dict[str, Timing]:
    """Time snippets (name to set-up and body); registers r0, r1, r2 point to fast memory, SRAM and flash."""
    names = [f"snippet_{index}_{count}" for index in range(len(snippets)) for count in (SHORT, LONG)]
    bodies = [(setup, body, count) for setup, body in snippets.values() for count in (SHORT, LONG)]
    functions = "".join(
        _FUNCTION.format(name=name, setup=setup, body=body, count=count)
        for name, (setup, body, count) in zip(names, bodies, strict=True)
    )
    table = "".join(f".word {name}\n" for name in names)
    assembly = (
        ".syntax unified\n.thumb\n.fpu fpv4-sp-d16\n" + functions + '\n.section .rodata.snippets, "a"\n.balign 4\n'
        f".global snippets\nsnippets:\n{table}.global snippet_count\nsnippet_count: .word {len(names)}\n"
    )
    image = link(_CALLER, assembly, mcu)
    result = Simulator(mcu).run(image)
    assert result.ok, result
    regions = [result.regions[PASSES * index : PASSES * (index + 1)] for index in range(len(names))]
    return {
        name: Timing(tuple(regions[2 * index]), tuple(regions[2 * index + 1])) for index, name in enumerate(snippets)
    }
