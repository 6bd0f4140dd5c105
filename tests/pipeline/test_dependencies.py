"""What dvc.yaml says that a stage runs is what the stage imports: else a change of the code would leave old results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((CHECKOUT / "dvc.yaml").read_text("utf-8"))["stages"]

UNCOUNTED = ("tinyformer.config", "tinyformer.errors", "tinyformer.files", "tinyformer.pipeline", "tinyformer.tracking")
"""The parameters stand for ``config``; the others move results from here to there and do not make them."""


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("tinyformer", cache_dir=None)


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_that_it_imports(stage: str, imports: grimp.ImportGraph) -> None:
    paths = [Path(path) for path in STAGES[stage]["deps"] if path.startswith("src/")]
    assert all((CHECKOUT / path).exists() for path in paths)
    listed = tuple(".".join(path.with_suffix("").parts[1:]) for path in paths)
    modules = imports.find_upstream_modules(f"tinyformer.pipeline.{stage}")
    needed = {module for module in modules if not within(module, UNCOUNTED)}
    packages = {module for module in needed if imports.find_children(module)}
    assert {module for module in needed - packages if not within(module, listed)} == set()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_nothing_that_it_does_not_import(stage: str, imports: grimp.ImportGraph) -> None:
    modules = imports.find_upstream_modules(f"tinyformer.pipeline.{stage}") | {f"tinyformer.pipeline.{stage}"}
    for path in map(Path, STAGES[stage]["deps"]):
        if path.parts[0] == "src":
            package = ".".join(path.with_suffix("").parts[1:])
            assert any(within(module, (package,)) for module in modules), f"{path} is never imported"
