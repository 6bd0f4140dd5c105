# SPDX-License-Identifier: Apache-2.0
"""Exports of a profile, and exit statuses."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from tests.mcu.test_simulator import LAYERS
from tinyformer.config.mcu import McuConfig
from tinyformer.mcu.simulator import Limits, SimulationResult, Simulator
from tinyformer.mcu.simulator.export import print_result, process_status, result_values, to_speedscope, with_names


@pytest.fixture(scope="module")
def result(build: Callable[..., Path], f746: McuConfig) -> SimulationResult:
    return Simulator(f746).run(build(LAYERS, f746))


def test_tables_name_layers_functions_and_validation(result: SimulationResult) -> None:
    text = io.StringIO()
    print_result(result, Console(file=text, width=200), profile=True)
    for part in ("net_layer_1", "work", "calibrated", "data cache", f"{result.cycles:,} cycles", "sram miss"):
        assert part in text.getvalue()


def test_json_holds_everything_and_repeats(result: SimulationResult) -> None:
    values = json.loads(json.dumps(result_values(result)))
    assert values["cycles"] == result.cycles
    assert values["reason"] == "exit"
    assert [layer["layer"] for layer in values["layers"]] == [0, 1, 2] * 2
    assert values["functions"][0]["causes"].keys() == result.causes.keys()


def test_layers_take_the_names_that_are_known(result: SimulationResult) -> None:
    named = with_names(result, {0: "stem", 2: "classifier"})
    assert [layer.name for layer in named.layers] == ["stem", "net_layer_1", "classifier"] * 2
    assert "stem" in to_speedscope(named)


def test_speedscope_weights_are_the_cycles(result: SimulationResult) -> None:
    document = json.loads(to_speedscope(result))
    functions, layers = document["profiles"]
    assert functions["endValue"] == sum(functions["weights"]) == result.cycles
    assert sum(layers["weights"]) == sum(layer.cycles for layer in result.layers)
    names = [frame["name"] for frame in document["shared"]["frames"]]
    assert names[layers["samples"][0][0]] == "net_layer_0"
    assert max(max(sample) for profile in document["profiles"] for sample in profile["samples"]) < len(names)


@pytest.mark.parametrize(("choice", "status"), [(b"\x09", 9), (b"f", 101), (b"l", 102), (b"w", 103)])
def test_exit_statuses_tell_failures_apart(
    choice: bytes, status: int, build: Callable[..., Path], f746: McuConfig
) -> None:
    result = Simulator(f746, "functional").run(build("faults", f746), choice, Limits(instructions=50_000))
    assert process_status(result) == status
    text = io.StringIO()
    print_result(result, Console(file=text, width=200))
    assert ("faults.c:" in text.getvalue()) == (status > 100)
