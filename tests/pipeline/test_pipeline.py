# SPDX-License-Identifier: Apache-2.0
"""The pipeline as its user sees it: artefacts, metrics, caching, tracking, DVC's own commands."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import onnx
import pytest
import yaml
from PIL import Image
from tests.pipeline.conftest import TINY
from tests.pipeline.project import Project, stages_run

from tinyformer.tracking.reader import read_runs

pytestmark = pytest.mark.xdist_group("pipeline")

STAGES = (
    "prepare", "profile_mcu", "supernas", "train_supernet", "sparsenas", "finetune", "quantize", "codegen", "deploy",
    "report",
)  # fmt: skip
HEADLINE = {
    "accuracy_float": float, "accuracy_int8": float, "agreement_onnxruntime": float, "flash_bytes": int,
    "sram_bytes": int, "instructions": int, "cycles": int, "latency_ms": float, "macs": int, "params": int,
    "params_nonzero": int, "block_sparsity": float, "bit_exact_images_host": int, "bit_exact_images_mcu": int,
    "mcu": str, "code_kind": str, "dataset": str, "experiment": str, "seed": int,
}  # fmt: skip


def summary(project: Project) -> dict[str, object]:
    return json.loads((project.root / "outputs/summary.json").read_text("utf-8"))


def test_every_stage_ran_and_left_what_it_names(tiny: Project) -> None:
    log = (tiny.root / "first_run.log").read_text("utf-8")
    assert stages_run(log) == list(STAGES)
    stages = yaml.safe_load((tiny.root / "dvc.yaml").read_text("utf-8"))["stages"]
    assert tuple(stages) == ("inputs", *STAGES, "publish")
    named = sum(len(stage.get("outs", [])) + len(stage.get("metrics", [])) for stage in stages.values())
    assert len(tiny.digests()) == named - 1, "all but the templated data directory"


def test_the_summary_holds_every_headline_figure_and_they_agree(tiny: Project) -> None:
    figures = summary(tiny)
    assert {name: type(value) for name, value in figures.items()} == HEADLINE
    assert figures["bit_exact_images_mcu"] == 2
    manifest = json.loads((tiny.root / "data/processed/digits/manifest.json").read_text("utf-8"))
    assert figures["bit_exact_images_host"] == manifest["counts"]["test"]
    assert figures["block_sparsity"] >= 0.8 - 1e-6
    assert figures["params_nonzero"] < figures["params"]
    assert figures["flash_bytes"] <= 1024 * 1024
    assert figures["sram_bytes"] <= 320 * 1024
    layers = json.loads((tiny.root / "outputs/deploy/layers.json").read_text("utf-8"))
    assert sum(layer["macs"] or 0 for layer in layers) == figures["macs"]
    assert sum(layer["cycles"] for layer in layers) <= figures["cycles"]


def test_the_chosen_model_has_a_transformer(tiny: Project) -> None:
    genome = yaml.safe_load((tiny.root / "outputs/subnet.yaml").read_text("utf-8"))
    kinds = {block["kind"] for stage in genome["architecture"]["stages"] for block in stage["blocks"]}
    assert "transformer" in kinds
    operators = {node.op_type for node in onnx.load(tiny.root / "outputs/model.onnx").graph.node}
    assert {"Softmax", "LayerNormalization", "QuantizeLinear"} <= operators


def test_nothing_runs_twice(tiny: Project) -> None:
    begin = time.monotonic()
    result = tiny.tinyformer("repro", *TINY)
    assert stages_run(result.stdout) == []
    assert time.monotonic() - begin < 120, "it only looks things up"


def test_it_is_known_when_and_where_each_stage_was_computed(tiny: Project) -> None:
    def rows() -> dict[str, list[str]]:
        page = (tiny.root / "outputs/provenance.html").read_text("utf-8")
        found = re.findall(r'<tr><th scope="row">(\w+)</th><td>([^<]*)</td><td class="whole">([^<]*)<', page)
        return {stage: rest for stage, *rest in found}

    tiny.tinyformer("repro", *TINY)
    before = rows()
    assert tuple(before) == STAGES
    assert all(re.fullmatch(r"[\d-]+ [\d:]+ UTC", date) for _, date in before.values())
    assert {way for way, _ in before.values()} <= {"up to date", "restored from the cache"}
    page = (tiny.root / "outputs/report/index.html").read_text("utf-8")
    for address in re.findall(r'(?:href|data)="(\.\./[^"]+)"', page):
        assert (tiny.root / "outputs/report" / address).exists(), address


def test_what_changes_no_result_trains_and_searches_nothing(tiny: Project) -> None:
    """In the words that were theirs before they had a section of their own, too."""
    before = tiny.digests()
    harmless = ["trainer.progress_bar=true", "sparsenas.workers=2", "runtime.checkpoint_every=7", "tracking=disabled"]
    assert stages_run(tiny.tinyformer("repro", *TINY, *harmless).stdout) == []
    assert stages_run(tiny.tinyformer("repro", *TINY, "engine.verify_images=3").stdout) == ["deploy", "report"]
    assert summary(tiny)["bit_exact_images_mcu"] == 3
    assert stages_run(tiny.tinyformer("repro", *TINY, "mcu.validation_note=none").stdout) == ["report"]
    assert stages_run(tiny.tinyformer("repro", *TINY).stdout) == []
    assert tiny.digests() == before


def test_another_sparsity_leaves_the_supernet_alone_and_going_back_runs_nothing(tiny: Project) -> None:
    before = tiny.digests()
    changed = tiny.tinyformer("repro", *TINY, "sparsity=s90")
    assert stages_run(changed.stdout) == list(STAGES[STAGES.index("sparsenas") :])
    assert summary(tiny)["block_sparsity"] >= 0.9 - 1e-6
    back = tiny.tinyformer("repro", *TINY)
    assert stages_run(back.stdout) == []
    assert tiny.digests() == before


def test_runs_are_recorded_offline_in_one_group(tiny: Project) -> None:
    runs = list(read_runs(tiny.root / "outputs/wandb"))
    assert {run.group for run in runs} == {"quickstart"}
    assert {run.job_type for run in runs} >= {*STAGES, "summary"}
    headline = next(run for run in runs if run.job_type == "summary")
    assert headline.config["sparsity"]["target"] in (0.8, 0.9)
    assert set(HEADLINE) <= set(headline.summary)
    assert {"pareto", "layers", "confusion"} <= set(headline.summary)
    curves = next(run for run in runs if run.job_type == "train_supernet")
    assert any("train_loss" in point for point in curves.history)


def test_dvc_knows_stages_metrics_and_parameters(tiny: Project) -> None:
    dag = tiny.dvc("dag").stdout
    assert all(stage in dag for stage in STAGES)
    metrics = json.loads(tiny.dvc("metrics", "show", "--json").stdout)
    assert metrics[""]["data"]["outputs/summary.json"]["data"] == summary(tiny)


def test_dvc_shows_plots_and_a_table_that_fits(tiny: Project) -> None:
    plots = json.loads(tiny.dvc("plots", "show", "--json").stdout)
    assert not plots.get("errors")
    assert len(plots["data"]) == 6 and all(plots["data"].values())
    metrics = json.loads(tiny.dvc("metrics", "show", "--json").stdout)[""]["data"]
    assert list(metrics) == ["outputs/summary.json"], "a screen wide, not 344 columns"


def test_an_impossible_limit_names_the_smallest_achievable_and_loses_nothing(tiny: Project) -> None:
    before = tiny.digests()
    result = tiny.tinyformer("repro", *TINY, "limits.sram_bytes=1000", ok=False)
    assert result.returncode != 0
    assert "sram_bytes" in result.stderr + result.stdout
    assert "smallest achievable" in result.stderr + result.stdout
    assert tiny.tinyformer("repro", *TINY).returncode == 0
    assert tiny.digests() == before


@pytest.mark.parametrize(
    ("stage", "name", "words"),
    [
        ("supernas", "data/processed/digits/manifest.json", ["manifest.json"]),
        ("train_supernet", "data/processed/digits/train_images.npy", ["train_images.npy"]),
        ("train_supernet", "outputs/supernet.yaml", ["supernet.yaml"]),
        ("sparsenas", "outputs/supernet.safetensors", ["supernet.safetensors"]),
        ("sparsenas", "outputs/cost_table.json", ["cost_table.json"]),
        ("finetune", "outputs/subnet.yaml", ["subnet.yaml"]),
        ("quantize", "outputs/subnet.safetensors", ["subnet.safetensors"]),
        ("codegen", "outputs/model.onnx", ["model.onnx"]),
        ("deploy", "outputs/codegen/report.json", ["report.json"]),
        ("report", "outputs/pareto.json", ["pareto.json"]),
        ("report", "outputs/deploy/predictions.json", ["predictions.json"]),
        ("report", "params.yaml", ["params.yaml"]),
    ],
)
def test_a_truncated_file_is_named(tiny: Project, stage: str, name: str, words: list[str]) -> None:
    path = tiny.root / name
    whole = path.read_bytes()
    mode = path.stat().st_mode
    path.unlink()  # the cache may hold the same inode
    path.write_bytes(whole[: len(whole) // 2])
    try:
        result = tiny.run_stage(stage, ok=False)
    finally:
        path.unlink()
        path.write_bytes(whole)
        path.chmod(mode)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr, result.stderr
    for word in words:
        assert word in result.stderr


def test_images_that_were_added_are_seen(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    images = tmp_path / "images"
    for name in ("cat", "dog"):
        for i in range(6):
            (images / name).mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), 40 * i).save(images / name / f"{i}.png")
    command = ("repro", *TINY, "data=image_folder", f"data.root={images}", "data.channels=1", "--stage", "prepare")
    assert stages_run(project.tinyformer(*command).stdout) == ["prepare"]
    assert stages_run(project.tinyformer(*command).stdout) == []
    Image.new("L", (8, 8), 9).save(images / "cat" / "new.png")
    assert stages_run(project.tinyformer(*command).stdout) == ["prepare"]
    (images / "cat" / "new.png").unlink()
    assert stages_run(project.dvc("repro", "prepare").stdout) == [], "restored"
    Image.new("L", (8, 8), 10).save(images / "dog" / "new.png")
    assert stages_run(project.dvc("repro", "prepare").stdout) == ["prepare"]


def test_missing_data_without_network_says_what_to_put_where(tiny: Project, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    changed = tiny.tinyformer("repro", *TINY, "data=cifar10", f"data.root={tmp_path / 'empty'}", ok=False)
    assert changed.returncode != 0
    assert "cifar-10-batches-bin" in changed.stderr + changed.stdout
    tiny.tinyformer("repro", *TINY)
