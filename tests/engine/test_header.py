# SPDX-License-Identifier: Apache-2.0
"""What the header computes and names: the input's quantization and the classes, in C and C++."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.engine.foreign_compilers import TARGETS, WARNINGS, relocatable, zig
from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.ir.graph import Graph, Tensor
from tinyformer.ir.pixels import PIXELS, PixelRule, pixels_of

CLASSES = ("zero", 'o"n"e', "two\\", "three??/", "vier\n", "fünf", "6", "7\0", "", "/* nine */")

PROGRAM = """
#include <stdio.h>
#include "net.h"
static const char *const names[NET_CLASSES] = NET_CLASS_NAMES;
int main(void) {
  int8_t q[256];
  float real;
  unsigned i;
  for (i = 0; i < 256; ++i) q[i] = net_quantize_pixel((uint8_t)i);
  fwrite(q, sizeof q, 1, stdout);
  while (fread(&real, sizeof real, 1, stdin) == 1) { q[0] = net_quantize(real); fwrite(q, 1, 1, stdout); }
  for (i = 0; i < NET_CLASSES; ++i) { fputs(names[i], stdout); putchar(0); }
  return 0;
}
"""


def with_input(graph: Graph, scale: float, zero_point: int, pixels: PixelRule | None) -> Graph:
    """``graph`` with another quantization of its input."""
    source = graph.tensors[graph.input]
    tensors = {**graph.tensors, graph.input: Tensor(source.name, source.shape, scale, zero_point)}
    return replace(graph, tensors=tensors, pixels=pixels, classes=CLASSES)


@pytest.mark.parametrize(
    ("scale", "zero_point", "pixels", "needs_table"),
    [
        (1 / 128, 0, PIXELS, False),
        (0.0123, -7, PIXELS, True),
        (1 / 64, 0, PIXELS, True),  # halves everywhere
        (0.02, 5, PixelRule(0.0, 1 / 255), True),
    ],
)
def test_quantization_and_names(
    graph: Graph, mcu: McuConfig, tmp_path: Path, scale: float, zero_point: int, pixels: PixelRule, needs_table: bool
) -> None:
    network = with_input(graph, float(np.float32(scale)), zero_point, pixels)
    directory = compile_graph(network, mcu, EngineConfig(), "net").write(tmp_path / "net")
    steps = np.arange(-300, 300, 0.25, np.float32) * np.float32(scale)
    extremes = np.array([1e30, -1e30, np.inf, -np.inf, 0.0, -0.0], np.float32)
    reals = np.concatenate([steps, np.nextafter(steps, np.float32(9)), np.nextafter(steps, np.float32(-9)), extremes])
    expected = np.concatenate([network.input_rule.table(), network.input_rule.from_real(reals)])
    names = b"".join(name.split("\0")[0].encode() + b"\0" for name in CLASSES)
    include = f"-I{directory / 'include'}"
    for suffix, standard in (("c", "-std=c99"), ("cpp", "-std=c++11")):
        source = tmp_path / f"main.{suffix}"
        source.write_text(PROGRAM)
        strict = [flag for flag in WARNINGS if suffix == "c" or "prototypes" not in flag]
        zig("cc", standard, *strict, include, str(source), "-o", str(tmp_path / suffix))
        result = subprocess.run([tmp_path / suffix], input=reals.tobytes(), capture_output=True, check=True)
        np.testing.assert_array_equal(np.frombuffer(result.stdout, np.int8, count=len(expected)), expected)
        assert result.stdout[len(expected) :] == names
    unused = tmp_path / "unused.c"
    unused.write_text('#include "net.h"\n')
    flags = ["-std=c99", *WARNINGS, include, *TARGETS["cortex-m4"]]
    assert b"table" not in relocatable([unused], flags, tmp_path / "unused.o").read_bytes()
    assert ("table[256]" in (directory / "include/net.h").read_text()) == needs_table


def test_a_model_without_a_rule_gets_the_one_for_reals_only(graph: Graph, mcu: McuConfig) -> None:
    text = compile_graph(graph, mcu, EngineConfig(), "net").files()["include/net.h"]
    assert "net_quantize(float real)" in text
    assert "net_quantize_pixel" not in text
    assert "NET_CLASS" not in text


NUMBERS = """
#include <stdio.h>
#include "net.h"
int main(void) {
  float number;
  while (fread(&number, sizeof number, 1, stdin) == 1) putchar((uint8_t)net_quantize_number(number));
  return 0;
}
"""


@pytest.mark.parametrize("numbers", [(-80.0, 0.0), (0.1, 7.3), (-1.0, 1e6)])
def test_numbers_of_the_data_set(graph: Graph, mcu: McuConfig, tmp_path: Path, numbers: tuple[float, float]) -> None:
    network = with_input(graph, 1 / 128, 0, replace(PIXELS, numbers=numbers))
    directory = compile_graph(network, mcu, EngineConfig(), "net").write(tmp_path / "net")
    low, high = numbers
    steps = np.linspace(low - (high - low) / 10, high + (high - low) / 10, 2041, dtype=np.float32)
    halves = (low + (np.arange(256) + 0.5) * (high - low) / 255).astype(np.float32)
    extremes = np.array([np.inf, -np.inf, low, high], np.float32)
    given = np.concatenate([steps, halves, extremes])
    source = tmp_path / "main.c"
    source.write_text(NUMBERS)
    zig("cc", "-std=c99", *WARNINGS, f"-I{directory / 'include'}", str(source), "-o", str(tmp_path / "main"))
    result = subprocess.run([tmp_path / "main"], input=given.tobytes(), capture_output=True, check=True)
    expected = network.input_rule.from_pixels(pixels_of(given, numbers))
    np.testing.assert_array_equal(np.frombuffer(result.stdout, np.int8), expected)
