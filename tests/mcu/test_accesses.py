# SPDX-License-Identifier: Apache-2.0
"""The addresses that the cycle model computes are those that the emulator uses, over all benchmark images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tinyformer.mcu.simulator import Simulator
from tinyformer.mcu.target import load_mcu

IMAGES = Path(__file__).parents[2] / "benchmarks" / "images"
REFERENCES = {row["image"]: row for row in json.loads((IMAGES / "reference.json").read_text(encoding="utf-8"))}
LONG = {name for name in REFERENCES if "sparse" in name or "dot_products" in name}


@pytest.mark.parametrize("name", sorted(REFERENCES.keys() - LONG))
def test_computed_addresses_are_the_emulators(name: str) -> None:
    mcu = load_mcu(REFERENCES[name]["mcu"])
    checked = Simulator(mcu).run(IMAGES / name, check_accesses=True)
    timing = Simulator(mcu).run(IMAGES / name)
    functional = Simulator(mcu, "functional").run(IMAGES / name)
    assert checked.ok
    assert checked.checked_accesses > 1000
    assert checked.wrong_accesses == 0
    assert checked.unknown_accesses == timing.unknown_accesses == 0
    assert checked.cycles == timing.cycles
    assert timing.stdout == functional.stdout == checked.stdout
    assert timing.instructions == functional.instructions == checked.instructions


@pytest.mark.parametrize("name", sorted(REFERENCES.keys() - LONG))
def test_cycles_agree_with_the_reference_model(name: str) -> None:
    row = REFERENCES[name]
    result = Simulator(load_mcu(row["mcu"])).run(IMAGES / name)
    cycles = result.cycles if row["region"] is None else result.regions[row["region"]].cycles
    assert cycles == pytest.approx(row["reference_cycles"], rel=0.01)
