# SPDX-License-Identifier: Apache-2.0
"""Each rule of the Cortex-M7 model, by a snippet whose cycles follow from the rule by hand."""

from __future__ import annotations

import pytest

from tests.mcu.snippets import Timing, time_snippets
from tinyformer.mcu.target import load_mcu

# name: (set-up, body, cycles of one body in the steady state)
RULES = {
    "a dependent operation follows after a cycle": ("", "add.w r3, r3, #1", 1),
    "two independent operations share a cycle": ("", "add.w r3, r3, #1\nadd.w r4, r4, #1", 1),
    "three operations take a cycle and a half": ("", "add.w r3, r3, #1\nadd.w r4, r4, #1\nadd.w r5, r5, #1", 1.5),
    "there is one shifter": ("", "lsl.w r3, r6, #1\nlsl.w r4, r6, #1", 2),
    # The operand enters the shifter a cycle before the addition: 1 + 1.
    "a shifted operand is needed early": ("", "add.w r3, r4, r3, lsl #1", 2),
    "a product is used after two cycles": ("", "mul r3, r3, r4", 2),
    "accumulators are forwarded": ("", "smlad r3, r4, r5, r3", 1),
    "there is one multiplier": ("", "smlad r3, r4, r5, r3\nsmlad r6, r4, r5, r6", 2),
    "a multiplication pairs with an addition": ("", "smlad r3, r4, r5, r3\nadd.w r6, r6, #1", 1),
    "a multiplication and a store do not pair": ("", "smlad r3, r4, r5, r3\nstr r6, [r0]", 2),
    "an addition and a store pair": ("", "add.w r3, r3, #1\nstr r6, [r0]", 1),
    # ldr at 0, add at 1 together with the next ldr.
    "a word is used a cycle after its load": ("", "ldr r3, [r0]\nadd.w r4, r4, r3", 1),
    # Latency 1, and the address is needed a cycle early: 2.
    "an address is needed early": ("ldr r3, [r0]", "ldr r3, [r3]", 2),
    # ldrb at 0, add at 2 together with the next ldrb.
    "a byte is used two cycles after its load": ("", "ldrb r3, [r0]\nadd.w r4, r4, r3", 2),
    "loads from different banks pair": ("", "ldr r3, [r0]\nldr r4, [r0, #4]", 1),
    "loads from one bank do not pair": ("", "ldr r3, [r0]\nldr r4, [r0, #8]", 2),
    # The base is ready at once, and needed a cycle early: 0 + 1.
    "a written-back base serves the next cycle": ("", "ldr r3, [r0], #4\nldr r4, [r0], #-4", 2),
    # (n + 1) / 2 cycles for n registers, alone.
    "LDM of four takes two cycles": ("", "ldm r0, {r3, r4, r5, r6}", 2),
    "LDM of five takes three cycles": ("", "ldm r0, {r3, r4, r5, r6, r7}", 3),
    "LDRD takes one cycle alone": ("", "ldrd r3, r4, [r0]\nadd.w r5, r5, #1", 2),
    "SXTB16 issues in the first slot": ("", "sxtb16 r3, r4\nsxtb16 r5, r6", 2),
    "SXTB16 pairs with what follows": ("", "sxtb16 r3, r4\nadd.w r5, r5, #1", 1),
    "the rotation of SXTB16 is free": ("", "sxtb16 r3, r3, ror #8", 1),
    # ssat at 0, add at 2; the next ssat wants the first slot: 3.
    "a saturated value is used two cycles later": ("", "ssat r3, #8, r4\nadd.w r5, r5, r3", 3),
    "there is one store a cycle": ("", "str r3, [r0]\nstr r4, [r0, #4]", 2),
    # The store buffer is full: the drain time shows.
    "byte stores to one bank drain in four cycles": ("", "strb r3, [r0]", 4),
    "byte stores to alternating banks drain in two": ("", "strb r3, [r0]\nstrb r3, [r0, #4]", 4),
    "half-word stores are narrow, too": ("", "strh r3, [r0]", 4),
    "a division holds the pipeline for six cycles": ("", "udiv r3, r3, r4", 7),
    "floating-point results take three cycles": ("", "vadd.f32 s0, s0, s1", 3),
    "there is one floating-point operation a cycle": ("", "vadd.f32 s0, s4, s5\nvadd.f32 s1, s4, s5", 2),
    "VMLA accumulates on the sum of three cycles before": ("", "vmla.f32 s0, s1, s2", 3),
    "so does VFMA": ("", "vfma.f32 s0, s1, s2", 3),
    "three sums keep the multiplier busy": ("", "vfma.f32 s0, s4, s5\nvfma.f32 s1, s4, s5\nvfma.f32 s2, s4, s5", 3),
    # vmla at 0, vmul at 6, the next vmla at 9.
    "the sum of VMLA is an operand after six cycles": ("", "vmla.f32 s0, s1, s2\nvmul.f32 s1, s0, s3", 9),
    "the sum of VFMA is an operand after five cycles": ("", "vfma.f32 s0, s1, s2\nvmul.f32 s1, s0, s3", 8),
    # vmul at 0, vmla at 2; vfma at 3. The next product does not depend on the sum.
    "VMLA adds to a product of two cycles before": ("", "vmul.f32 s0, s4, s5\nvmla.f32 s0, s4, s5", 3),
    "VFMA adds to a product of three cycles before": ("", "vmul.f32 s0, s4, s5\nvfma.f32 s0, s4, s5", 4),
    # vmla at 0, vadd after a shadow of three cycles at 4, the next vmla at 5.
    "additions wait for the shadow of an accumulation": ("", "vmla.f32 s0, s4, s5\nvadd.f32 s1, s6, s7", 5),
    # vfma at 0, 2, 4, the loads in the first slot of the cycles between.
    "loads do not share a cycle with an accumulation": (
        "",
        "vfma.f32 s0, s4, s5\nvldr s8, [r0]\nvfma.f32 s1, s4, s5\nvldr s9, [r0]\nvfma.f32 s2, s4, s5\nvldr s10, [r0]",
        6,
    ),
    "a loaded operand is multiplied a cycle later": ("", "vldr s4, [r0]\nvmul.f32 s0, s4, s5", 1),
    "VDIV takes sixteen cycles": ("", "vdiv.f32 s0, s0, s1", 16),
    "VDIV holds the pipeline": ("", "vdiv.f32 s0, s1, s2", 16),
    "VSQRT takes fourteen cycles": ("", "vsqrt.f32 s0, s0", 14),
    "an access across a word takes another cycle": ("", "ldr r3, [r0, #2]", 2),
    # A taken branch ends its cycle, and the target is fetched in the next.
    "a predicted jump takes a cycle": ("", "b 9f\nnop\n9:", 1),
    # cmp, it and addeq each occupy a slot: 1.5 cycles; addeq depends on the flags of cmp, not more.
    "predicated instructions occupy their slot": ("", "cmp r3, #1\nit eq\naddeq r4, r4, #1\nnop", 2),
    "a store and a load pair": ("", "str r3, [r0]\nldr r4, [r0, #8]", 1),
}

PAUSE = "".join("add.w r4, r4, #1\n" for _ in range(10))
# name: (body, region's cause, cycles of the eight lines that miss in the first pass)
MISSES = {
    "a load from flash that misses alone": (f"ldr r3, [r2], #32\n{PAUSE}", "flash_miss", 8 * 18),
    "a load from SRAM that misses alone": (f"ldr r3, [r1], #32\n{PAUSE}", "sram_miss", 8 * 12),
    # The first of a burst takes its whole time, the others overlap with the one before.
    "loads from flash that miss in a burst": ("ldr r3, [r2], #32", "flash_miss", 18 + 7 * 10),
    "loads from SRAM that miss in a burst": ("ldr r3, [r1], #32", "sram_miss", 12 + 7 * 4),
    # The value, which is zero, decides the next address.
    "misses that wait for each other": ("ldr r3, [r1], #32\nadd.w r1, r1, r3", "sram_miss", 8 * 12),
    "stores that miss": ("str r3, [r1], #32", "store", 8 * 4),
}


@pytest.fixture(scope="module")
def timings(link_snippets) -> dict[str, Timing]:
    return time_snippets(
        {name: (setup, body) for name, (setup, body, _) in RULES.items()}, load_mcu("stm32f746"), link_snippets
    )


@pytest.fixture(scope="module")
def misses(link_snippets) -> dict[str, Timing]:
    snippets = {}
    for index, (name, (body, _, _)) in enumerate(MISSES.items()):  # each looks at a part of memory of its own
        offset = 512 * index
        snippets[name] = (f"add.w r1, r1, #{offset}\nadd.w r2, r2, #{offset}", body)
    return time_snippets(snippets, load_mcu("stm32f746"), link_snippets)


@pytest.mark.parametrize("name", RULES)
def test_rule(name: str, timings: dict[str, Timing]) -> None:
    assert timings[name].cycles - timings[name].mispredicted == RULES[name][2]


@pytest.mark.parametrize("name", MISSES)
def test_miss(name: str, misses: dict[str, Timing]) -> None:
    _, cause, cycles = MISSES[name]
    # The long snippet finds the first half of its lines in the cache: the short one brought them.
    first, warm = misses[name].long[0], misses[name].long[-1]
    assert first.causes[cause] - warm.causes[cause] == cycles


def test_causes_add_up(timings: dict[str, Timing], misses: dict[str, Timing]) -> None:
    for timing in (*timings.values(), *misses.values()):
        for region in (*timing.short, *timing.long):
            assert sum(region.causes.values()) == region.cycles
