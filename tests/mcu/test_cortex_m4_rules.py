# SPDX-License-Identifier: Apache-2.0
"""Each rule of the Cortex-M4 model, by a snippet whose cycles follow from the rule by hand."""

from __future__ import annotations

import pytest

from tests.mcu.snippets import Timing, time_snippets
from tinyformer.mcu.target import load_mcu

# name: (set-up, body, cycles of one body in the steady state). All code is in SRAM, 32-bit instructions are aligned.
RULES = {
    "data processing takes a cycle": ("", "add.w r3, r3, #1\nadd.w r4, r4, #1", 2),
    "shifts and saturation take a cycle": ("", "add.w r3, r4, r3, lsl #2\nssat r3, #8, r3", 2),
    "multiplications take a cycle": ("", "mul r3, r3, r4\nsmlad r3, r4, r5, r3", 2),
    "divisions take twelve cycles": ("", "udiv r3, r3, r4", 12),
    "a load takes two cycles": ("", "ldr r3, [r0]\nadd.w r4, r4, #1", 3),
    "independent loads follow each cycle": ("", "ldr.w r3, [r0]\nldr.w r4, [r0, #4]", 2),
    # The address comes from the load before: no pairing.
    "a dependent load takes two cycles": ("ldr.w r3, [r0]", "ldr.w r3, [r3]", 2),
    "a store takes a cycle": ("", "str.w r3, [r0]\nstr.w r4, [r0, #4]", 2),
    "a store with a register offset takes two": ("mov.w r4, #0", "str.w r3, [r0, r4]\nadd.w r5, r5, #1", 3),
    "LDM takes a cycle and one a word": ("", "ldm.w r0, {r3, r4, r5, r6}", 5),
    "LDRD takes three cycles": ("", "ldrd r3, r4, [r0]\nadd.w r5, r5, #1", 4),
    # add 1, load 2, and 1 for the address computed just before.
    "an address computed just before costs a cycle": ("", "add.w r3, r0, #4\nldr.w r4, [r3]", 4),
    "a floating-point operation takes a cycle": ("", "vadd.f32 s0, s4, s5\nvadd.f32 s1, s4, s5", 2),
    "a dependent one waits a cycle": ("", "vadd.f32 s0, s0, s1", 2),
    # 3, and 1 for the dependency.
    "VMLA takes three cycles": ("", "vmla.f32 s0, s1, s2", 4),
    "VDIV takes fourteen cycles": ("", "vdiv.f32 s0, s0, s1", 15),
    "an unaligned word costs a transfer": ("", "ldr.w r3, [r0, #2]\nadd.w r4, r4, #1", 4),
    "a word at an odd address costs two": ("", "ldr.w r3, [r0, #1]\nadd.w r4, r4, #1", 5),
    # b.w 1 + 1 refill; the target is aligned.
    "a taken branch costs a refill": ("", "b.w 9f\nnop.w\n9:", 2),
    # It executes in no time, but the decoder passes one instruction a cycle.
    "a folded IT still passes the decoder": ("", "movs r3, #1\nit eq\naddeq r4, r4, #1\nnop", 4),
}


@pytest.fixture(scope="module")
def timings(link_snippets) -> dict[str, Timing]:
    snippets = {name: (setup, body) for name, (setup, body, _) in RULES.items()}
    return time_snippets(snippets, load_mcu("stm32l4r5"), link_snippets)


@pytest.mark.parametrize("name", RULES)
def test_rule(name: str, timings: dict[str, Timing]) -> None:
    assert timings[name].cycles == RULES[name][2]


def test_causes_add_up(timings: dict[str, Timing]) -> None:
    for timing in timings.values():
        for region in (*timing.short, *timing.long):
            assert sum(region.causes.values()) == region.cycles
