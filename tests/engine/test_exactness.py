# SPDX-License-Identifier: Apache-2.0
"""Three executions of a graph agree to the bit: the NumPy reference, the C on this computer, the simulated firmware."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.random_graphs import OPERATORS
from tests.strategies import graphs
from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.run.firmware import build_firmware, run_firmware
from tinyformer.engine.run.host import HostModel
from tinyformer.ir.graph import Graph, Int8Array
from tinyformer.ir.reference import execute_all

slow_examples = settings(
    deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def random_images(graph: Graph, count: int) -> Int8Array:
    """Random images, after one of the smallest and one of the largest values only."""
    images = np.random.default_rng(0).integers(-128, 128, (count, *graph.tensors[graph.input].shape), np.int8)
    images[0], images[1] = -128, 127
    return images


def expected_outputs(graph: Graph, images: Int8Array) -> list[Int8Array]:
    values = execute_all(graph, images)
    return [values[name].reshape(len(images), -1) for name in graph.outputs]


def check_host(graph: Graph, mcu: McuConfig, directory: Path, config: EngineConfig) -> None:
    """Compile, run on this computer with undefined behaviour trapped, compare."""
    images = random_images(graph, 4)
    compile_graph(graph, mcu, config, "random").write(directory)
    outputs = HostModel(directory, sanitize="undefined", optimize="-O0").run_all(images)
    for output, expected in zip(outputs, expected_outputs(graph, images), strict=True):
        np.testing.assert_array_equal(output.reshape(len(images), -1), expected)


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_host_equals_reference(operator: str, mcu: McuConfig, tmp_path: Path) -> None:
    @given(graphs(operators=3, first=operator))
    @settings(slow_examples, max_examples=2)
    def check(graph: Graph) -> None:
        check_host(graph, mcu, tmp_path / "random", EngineConfig())

    check()


@given(graphs(operators=8))
@settings(slow_examples, max_examples=3)
def test_firmware_equals_reference(mcu: McuConfig, tmp_path: Path, graph: Graph) -> None:
    images = random_images(graph, 2)
    directory = compile_graph(graph, mcu, EngineConfig(), "random").write(tmp_path / "random")
    run = run_firmware(build_firmware(directory, mcu), mcu, images, directory=directory, mode="functional")
    for output, expected in zip(run.outputs, expected_outputs(graph, images), strict=True):
        np.testing.assert_array_equal(output.reshape(len(images), -1), expected)


def test_a_whole_network_agrees_three_ways(package: Path, graph: Graph, mcu: McuConfig, tmp_path: Path) -> None:
    images = random_images(graph, 3)
    expected = expected_outputs(graph, images)[0]
    np.testing.assert_array_equal(HostModel(package, sanitize="undefined").run(images), expected)
    elf = build_firmware(package, mcu, tmp_path / "firmware.elf")
    timed = run_firmware(elf, mcu, images, directory=package)
    functional = run_firmware(elf, mcu, images, directory=package, mode="functional")
    np.testing.assert_array_equal(timed.outputs[0], expected)
    np.testing.assert_array_equal(functional.outputs[0], expected)
    assert timed.result.instructions == functional.result.instructions
    assert timed.cycles > 0 and set(timed.layer_cycles) == set(range(len(timed.layer_cycles)))
