# SPDX-License-Identifier: Apache-2.0
"""The kernels' files are named and include each other as docs/kernels.md says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tinyformer.engine.packing import KERNEL_DIRECTORY, KERNEL_FILES

BELOW = {"sparse": {"common", "matrix"}, "common": set()}
"""Families whose headers a family may include, beside its own; `common` where nothing is said."""

SOURCES = [path for path in KERNEL_FILES.values() if path.suffix in (".c", ".S")]


def functions(path: Path) -> list[str]:
    """Names of the external functions that a file defines."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".S":
        defined = r"\.type +TF\((\w+)\), %function|define_kernel +TF\((\w+)\),|#define [A-Z_]+ TF\((\w+)\)"
        return ["".join(groups) for groups in re.findall(defined, text)]
    return re.findall(r"^\w[\w *]*?TF\((\w+)\)\([^;{]*\{", text, re.MULTILINE)


def test_names_are_unique() -> None:
    names = [path.name for path in KERNEL_DIRECTORY.glob("*/*") if path.suffix in (".c", ".h", ".S")]
    assert sorted(names) == sorted(KERNEL_FILES)


@pytest.mark.parametrize("path", KERNEL_FILES.values(), ids=lambda path: path.name)
def test_families_include_those_below(path: Path) -> None:
    family = path.parent.name
    allowed = {family} | BELOW.get(family, {"common"})
    included = re.findall(r'#include "(\w+\.h)"', path.read_text(encoding="utf-8"))
    assert {KERNEL_FILES[name].parent.name for name in included} <= allowed


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_files_have_the_name_of_their_function(path: Path) -> None:
    stem = path.stem.removeprefix("tf_").removesuffix("_reference").removesuffix("_words")
    found = functions(path)
    assert found
    assert all(name.startswith(stem) for name in found)
    if not path.stem.endswith("_reference") and path.suffix == ".c":
        assert found == [stem]


@pytest.mark.parametrize("path", [path for path in SOURCES if path.suffix == ".S"], ids=lambda path: path.name)
def test_assembly_has_a_reference(path: Path) -> None:
    if path.stem.endswith("_words") and path.parent.name == "elementwise":
        assert f"{path.stem.removesuffix('_words')}.c" in KERNEL_FILES
    else:
        reference = KERNEL_FILES[f"{path.stem}_reference.c"]
        assert functions(reference) == functions(path)


def test_entry_points_are_those_of_the_interface() -> None:
    interface = set(re.findall(r"\bTF\((\w+)\)", KERNEL_FILES["tf_kernels.h"].read_text(encoding="utf-8")))
    assert interface <= {path.stem.removeprefix("tf_") for path in SOURCES if path.suffix == ".c"}
