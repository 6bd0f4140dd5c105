# SPDX-License-Identifier: Apache-2.0
"""The key of a piece of work changes with all that makes the work, and with nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import numpy as np
import pytest
import yaml

import tinyformer
from tinyformer import keys
from tinyformer.keys import arrays_digest, code_digest, code_files, work_key

CHECKOUT = Path(__file__).parents[1]
STAGES = list(yaml.safe_load((CHECKOUT / "dvc.yaml").read_text("utf-8"))["stages"])
STORED = [
    "tinyformer.supernas.training",
    "tinyformer.compression.finetune",
    "tinyformer.compression.quantization_training",
    "tinyformer.sparsenas.evaluator",
]
"""Modules whose work is found again by its key, beside the stages."""

WORK = [*(f"tinyformer.pipeline.{stage}" for stage in STAGES), *STORED]


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    graph = grimp.build_graph("tinyformer", cache_dir=None)
    for section in graph.find_modules_directly_imported_by("tinyformer.config.root"):
        if section != "tinyformer.config.base":
            graph.remove_import(importer="tinyformer.config.root", imported=section)
    for module in [name for name in graph.modules if name.startswith("tinyformer.tracking")]:
        graph.remove_module(module)
    return graph


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package, whose files the keys are made of."""
    root = tmp_path / "tinyformer"
    shutil.copytree(Path(tinyformer.__file__).parent, root, ignore=shutil.ignore_patterns("__pycache__"))
    forget()
    monkeypatch.setattr(keys, "PACKAGE_ROOT", root)
    yield root
    forget()


def forget() -> None:
    """Let the package be read anew."""
    for name in vars(keys).values():
        if hasattr(name, "cache_clear"):
            name.cache_clear()


def module_of(path: Path, root: Path) -> str:
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("module", WORK)
def test_the_code_of_a_module_is_all_that_it_imports(module: str, imports: grimp.ImportGraph) -> None:
    root = Path(tinyformer.__file__).parent
    found = {module_of(path, root) for path in code_files(module) if path.suffix == ".py"}
    needed, waiting = set(), {module}
    while waiting:
        name = waiting.pop()
        needed.add(name)
        package = name.rpartition(".")[0]  # importing a module runs its package
        waiting |= {*imports.find_modules_directly_imported_by(name), package} - needed - {"tinyformer", ""}
    assert found - {"tinyformer"} == needed


@pytest.mark.parametrize("module", WORK)
def test_one_changed_line_anywhere_in_the_code_gives_another_key(module: str, copied: Path) -> None:
    before = code_digest(module)
    for path in code_files(module):
        content = path.read_bytes()
        path.write_bytes(content + b"\n")
        code_digest.cache_clear()
        assert code_digest(module) != before, path
        path.write_bytes(content)
    code_digest.cache_clear()
    assert code_digest(module) == before


def test_code_that_is_not_used_does_not_count(copied: Path) -> None:
    before = code_digest("tinyformer.supernas.training")
    for name in (
        "supernas/search.py",
        "tracking/runs.py",
        "sparsenas/evolution.py",
        "config/sparsity.py",
        "cli/repro.py",
    ):
        (copied / name).write_text("pass\n")
    forget()
    assert code_digest("tinyformer.supernas.training") == before


def test_an_import_within_a_function_and_data_files_beside_a_module_count(copied: Path) -> None:
    package = copied / "nets" / "extra"
    package.mkdir()
    (package / "__init__.py").write_text("def build():\n    from tinyformer.nets.extra import late\n    return late\n")
    (package / "late.py").write_text("from tinyformer.nets.extra.other import value\n")
    (package / "other.py").write_text("value = 1\n")
    (package / "kernels").mkdir()
    (package / "kernels" / "one.c").write_text("int x;\n")
    forget()
    names = {
        path.relative_to(package).as_posix() for path in code_files("tinyformer.nets.extra") if package in path.parents
    }
    assert names == {"__init__.py", "late.py", "other.py", "kernels/one.c"}


def test_parameters_and_inputs_count() -> None:
    def key(parameters: dict[str, object], **inputs: bytes | str) -> str:
        return work_key("tinyformer.files", parameters, inputs)

    found = [
        key({}), key({"a": 1}), key({"a": 2}), key({"a": 1}, x=b""), key({"a": 1}, x="y"), key({"a": 1}, x="", y="y"),
        key({"a": 1}, xy=""), work_key("tinyformer.errors", {}),
    ]  # fmt: skip
    assert len(set(found)) == len(found)
    assert key({"a": 1, "b": 2}, x=b"1") == key({"b": 2, "a": 1}, x="1")


def test_arrays_count_with_names_types_and_shapes() -> None:
    values = np.arange(6, dtype=np.int64)
    found = [
        arrays_digest({"a": values}), arrays_digest({"b": values}), arrays_digest({"a": values.astype(np.uint64)}),
        arrays_digest({"a": values.reshape(2, 3)}), arrays_digest({"a": values[::-1]}), arrays_digest({}),
    ]  # fmt: skip
    assert len(set(found)) == len(found)
    assert arrays_digest({"a": values[::-1]}) == arrays_digest({"a": values[::-1].copy()})


def test_a_key_needs_no_training_framework() -> None:
    code = (
        "import sys; from tinyformer.keys import work_key; work_key('tinyformer.pipeline.quantize', {});"
        "print('torch' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
