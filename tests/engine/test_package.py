# SPDX-License-Identifier: Apache-2.0
"""The delivered package: what is in it, and that foreign compilers, languages and programs take it as it is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from elftools.elf.elffile import ELFFile

from tests.engine.foreign_compilers import TARGETS, WARNINGS, relocatable, zig
from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig
from tinyformer.config.limits import LimitsConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import CompiledModel, compile_graph
from tinyformer.engine.emit.c_text import check_identifier, identifier
from tinyformer.engine.run.host import HostModel
from tinyformer.engine.run.package_files import open_package
from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Graph
from tinyformer.ir.pixels import PIXELS
from tinyformer.ir.reference import execute


@pytest.mark.parametrize("target", TARGETS)
def test_compiles_without_warnings(package: Path, target: str, tmp_path: Path) -> None:
    main = package / "example" / ("main_host.c" if target == "host" else "main_mcu.c")
    flags = ["-std=c99", *WARNINGS, *TARGETS[target], f"-I{package / 'include'}"]
    relocatable([*package.rglob("src/**/*.c"), *package.rglob("src/**/*.S"), main], flags, tmp_path / "all.o")
    relocatable([package / "example" / "main_uart.c"], flags, tmp_path / "uart.o")


def test_header_reads_like_a_contract(package: Path, model: CompiledModel) -> None:
    text = (package / "include/digits.h").read_text()
    macros = dict(re.findall(r"#define (DIGITS_\w+) (\S+)", text))
    assert macros["DIGITS_ARENA_BYTES"] == f"{model.schedule.plan.arena_bytes}u"
    assert (macros["DIGITS_INPUT_BYTES"], macros["DIGITS_OUTPUT_BYTES"]) == ("256u", "10u")
    assert [macros[f"DIGITS_INPUT_DIM_{i}"] for i in range(3)] == ["16u", "16u", "1u"]
    assert np.float32(macros["DIGITS_INPUT_SCALE"][:-1]) == np.float32(model.schedule.graph.tensors["input"].scale)
    assert "int digits_init(void *arena, size_t bytes);" in text
    assert "int digits_invoke(void *arena, const int8_t *in, int8_t *out);" in text


def test_each_layer_is_a_function_called_in_order(package: Path, model: CompiledModel) -> None:
    text = (package / "src/digits.c").read_text()
    defined = re.findall(r"^DIGITS_LAYER digits_layer_(\d+)\(", text, re.M)
    called = re.findall(r"^    digits_layer_(\d+)\(", text, re.M)
    assert defined == called == [str(i) for i in range(len(model.report["layers"]))]
    for layer in model.report["layers"]:
        assert f"/* Layer {layer['index']}: {layer['name']}, {layer['operator']}, kernel {layer['kernel']}" in text


def test_only_kernels_that_are_used_are_delivered(package: Path, model: CompiledModel) -> None:
    used = {source for step in model.schedule.layers for source in step.implementation.sources}
    assert {path.name for path in package.glob("src/kernels/*") if path.suffix != ".h"} == used
    assert "tf_transpose.c" not in used
    included = {
        header
        for path in package.rglob("src/**/*")
        if path.is_file()
        for header in re.findall(r'#include "(?:kernels/)?(tf_\w+\.h)"', path.read_text())
    }
    assert {path.name for path in package.glob("src/kernels/*.h")} == included


def test_reports_and_metadata_are_well_formed(package: Path, model: CompiledModel) -> None:
    report = json.loads((package / "report.json").read_text())
    assert report == json.loads(json.dumps(model.report))
    plan = json.loads((package / "memory_plan.json").read_text())
    assert plan["arena_bytes"] == report["arena_bytes"] and plan["steps"][0] == "stem.conv"
    assert yaml.safe_load((package / "zephyr/module.yml").read_text())["name"] == "digits"
    properties = dict(line.split("=", 1) for line in (package / "library.properties").read_text().splitlines())
    assert (package / "src" / properties["includes"]).is_file()
    sources = re.findall(r"^  (src/\S+\.[cS])$", (package / "CMakeLists.txt").read_text(), re.M)
    assert {package / source for source in sources} == set(open_package(package).sources)


@pytest.mark.skipif(shutil.which("cmake") is None or shutil.which("cc") is None, reason="needs CMake and a compiler")
def test_cmake_optimizes_whatever_the_build_type(package: Path, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(app C)\nadd_executable(app main.c)\n"
        f"add_subdirectory({package} digits)\ntarget_link_libraries(app digits)\n"
    )
    (tmp_path / "main.c").write_text("int main(void) { return 0; }\n")
    for build_type, choice, level in (
        ("", [], "-O[23]"),
        ("Debug", [], "-O[23]"),
        ("Debug", ["-DDIGITS_OPTIMIZE=-O1"], "-O1"),
    ):
        build = tmp_path / f"build{build_type}{len(choice)}"
        options = [f"-DCMAKE_BUILD_TYPE={build_type}", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *choice]
        subprocess.run(["cmake", "-S", tmp_path, "-B", build, *options], check=True, capture_output=True)
        commands = {
            Path(entry["file"]).name: re.findall(r" (-O\S+)", entry["command"])
            for entry in json.loads((build / "compile_commands.json").read_text())
        }
        assert re.fullmatch(level, commands["digits.c"][-1]), commands
        assert commands["main.c"] == [], "the program's own level is the program's"


def test_same_graph_gives_the_same_bytes(graph: Graph, mcu: McuConfig, model: CompiledModel) -> None:
    assert compile_graph(graph, mcu, EngineConfig(), "digits").files() == model.files()


def test_no_heap_no_libm_no_mutable_globals(package: Path, tmp_path: Path) -> None:
    sources = [*package.rglob("src/**/*.c"), *package.rglob("src/**/*.S")]
    everything = relocatable(sources, ["-std=c99", "-O2", *TARGETS["cortex-m7"]], tmp_path / "all.o")
    with everything.open("rb") as stream:
        image = ELFFile(stream)
        symbols = list(image.get_section_by_name(".symtab").iter_symbols())
        writable = [section for section in image.iter_sections() if section["sh_flags"] & 0x3 == 0x3]
    assert sum(section["sh_size"] for section in writable) == 0
    undefined = {symbol.name for symbol in symbols if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name}
    assert [name for name in undefined if not re.match(r"(__aeabi_)?mem|__aeabi_unwind", name)] == []
    external = {symbol.name for symbol in symbols if symbol["st_info"]["bind"] == "STB_GLOBAL" and symbol.name}
    assert all(name.startswith("digits_") for name in external - undefined)


PROGRAM = """
#include <pthread.h>
#include <stdio.h>
#include "first.h"
#include "second.h"
alignas(8) static unsigned char arena_1[FIRST_ARENA_BYTES], arena_2[SECOND_ARENA_BYTES], arena_3[FIRST_ARENA_BYTES];
alignas(4) static signed char image[FIRST_INPUT_BYTES], y[3][12];
static void *work(void *) {
  for (int i = 0; i < 20; ++i) first_invoke(arena_3, image, y[2]);
  return nullptr;
}
int main() {
  pthread_t other;
  if (fread(image, sizeof image, 1, stdin) != 1) return 1;
  if (first_init(arena_1, sizeof arena_1) || second_init(arena_2, sizeof arena_2)) return 2;
  if (first_init(arena_1 + 1, sizeof arena_1) != FIRST_ERROR_ALIGNMENT) return 3;
  if (first_init(arena_1, sizeof arena_1 - 1) != FIRST_ERROR_ARENA_TOO_SMALL) return 4;
  if (first_init(nullptr, sizeof arena_1) != FIRST_ERROR_NULL) return 5;
  if (first_invoke(arena_1, nullptr, y[0]) != FIRST_ERROR_NULL) return 6;
  if (first_invoke(arena_1, image + 1, y[0]) != FIRST_ERROR_ALIGNMENT) return 7;
  if (pthread_create(&other, nullptr, work, nullptr)) return 8;
  for (int i = 0; i < 20; ++i) {
    first_invoke(arena_1, image, y[0]);
    second_invoke(arena_2, image, y[1]);
  }
  pthread_join(other, nullptr);
  for (auto &row : y) fwrite(row, FIRST_OUTPUT_BYTES, 1, stdout);
}
"""


def test_two_models_and_two_threads_in_one_cpp_program(graph: Graph, mcu: McuConfig, tmp_path: Path) -> None:
    other = replace(graph, ops=[*graph.ops[:-1], replace(graph.ops[-1], bias=graph.ops[-1].bias[::-1])])  # type: ignore[attr-defined]
    objects = []
    for name, network in {"first": graph, "second": other}.items():
        directory = compile_graph(network, mcu, EngineConfig(), name).write(tmp_path / name)
        objects.append(str(relocatable(directory.rglob("src/**/*.c"), ["-std=c99", "-O1"], tmp_path / f"{name}.o")))
    (tmp_path / "main.cpp").write_text(PROGRAM)
    includes = [f"-I{tmp_path / name / 'include'}" for name in ("first", "second")]
    # `zig cc` compiles C++ too, and does without the C++ library that `zig c++` would build first.
    zig("cc", "-std=c++17", *includes, str(tmp_path / "main.cpp"), *objects, "-o", str(tmp_path / "main"))
    image = np.random.default_rng(3).integers(-128, 128, (1, 16, 16, 1), np.int8)
    result = subprocess.run([tmp_path / "main"], input=image.tobytes(), capture_output=True, check=True)
    expected = [execute(network, image)[0] for network in (graph, other, graph)]
    np.testing.assert_array_equal(np.frombuffer(result.stdout, np.int8).reshape(3, 10), expected)
    assert not np.array_equal(expected[0], expected[1])


def test_the_readme_s_example_compiles(graph: Graph, mcu: McuConfig, tmp_path: Path) -> None:
    named = replace(graph, pixels=PIXELS, classes=tuple("abcdefghij"))
    for name, network, array in (("plain", graph, "float values"), ("named", named, "uint8_t image")):
        directory = compile_graph(network, mcu, EngineConfig(), name).write(tmp_path / name)
        (example,) = re.findall(r"```c\n(.*?)```", (directory / "README.md").read_text(), re.S)
        include, body = example.split("\n", 1)
        source = tmp_path / f"{name}.c"
        source.write_text(f"{include}\nvoid run(const {array}[]);\nvoid run(const {array}[]) {{\n{body}}}\n")
        flags = ["-std=c99", *WARNINGS, "-Wno-unused-variable", f"-I{directory / 'include'}"]
        relocatable([source], flags, tmp_path / f"{name}.o")


def test_zero_copy_input_and_output(package: Path, graph: Graph) -> None:
    """`in` and `out` at the header's offsets of the arena give the same answer as buffers outside."""
    image = np.random.default_rng(4).integers(-128, 128, (1, 16, 16, 1), np.int8)
    host = HostModel(package)
    expected = host.run(image)
    np.testing.assert_array_equal(host.run(image, in_arena=True), expected)
    np.testing.assert_array_equal(expected, execute(graph, image))


@pytest.mark.parametrize("name", ["Digits", "2fast", "a-b", "int", "class", "tf", "errno", "stdint", "test", ""])
def test_names_that_cannot_prefix_symbols_are_refused(graph: Graph, mcu: McuConfig, name: str) -> None:
    with pytest.raises(TinyFormerError, match="cannot prefix C symbols"):
        compile_graph(graph, mcu, EngineConfig(), name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("quickstart_stm32f746", "quickstart_stm32f746"),
        ("CIFAR-10 (s90)_stm32h743", "cifar_10_s90_stm32h743"),
        ("7 segments", "model_7_segments"),
        ("Stdint", "stdint_model"),
        ("ähm", "hm"),
        ("", "model"),
    ],
)
def test_any_text_gives_a_valid_name(text: str, name: str) -> None:
    assert check_identifier(identifier(text)) == name


def test_foreign_names_cannot_break_out_of_comments(graph: Graph, mcu: McuConfig, tmp_path: Path) -> None:
    evil = replace(graph, ops=[replace(graph.ops[0], name='*/ #error "no" /*\n#error\\'), *graph.ops[1:]])
    directory = compile_graph(evil, mcu, EngineConfig(), "evil").write(tmp_path / "evil")
    relocatable(directory.glob("src/*.c"), ["-std=c99", *WARNINGS], tmp_path / "all.o")


def test_budgets_are_named_with_need_and_have(graph: Graph, mcu: McuConfig, model: CompiledModel) -> None:
    with pytest.raises(TinyFormerError, match=r"needs [\d,]+ bytes of SRAM .* but may take 9,000 on stm32f746"):
        compile_graph(graph, mcu, EngineConfig(), budget=Budget.of(LimitsConfig(sram_bytes=9000), mcu))
    with pytest.raises(TinyFormerError, match=r"needs [\d,]+ bytes of flash .* but may take 9,000 on stm32f746"):
        compile_graph(graph, mcu, EngineConfig(), budget=Budget.of(LimitsConfig(flash_bytes=9000), mcu))
    least = model.schedule.plan.arena_bytes + EngineConfig().stack_bytes
    tight = compile_graph(graph, mcu, EngineConfig(), budget=Budget.of(LimitsConfig(sram_bytes=least), mcu))
    assert tight.schedule.plan.arena_bytes <= model.schedule.plan.arena_bytes


def test_write_replaces_packages_but_nothing_else(model: CompiledModel, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/mine.txt").write_text("keep")
    with pytest.raises(TinyFormerError, match="no generated package"):
        model.write(tmp_path / "notes")
    assert (tmp_path / "notes/mine.txt").read_text() == "keep"
    directory = model.write(tmp_path / "package")
    (directory / "stale.c").write_text("old")
    model.write(directory)
    assert not (directory / "stale.c").exists()
