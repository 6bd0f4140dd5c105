# SPDX-License-Identifier: Apache-2.0
"""Sweeps: what a line of overrides means, and that points share, resume and fail one by one."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from tests.pipeline.conftest import TINY
from tests.pipeline.project import Project

from tinyformer.config.multirun import expand, parse
from tinyformer.errors import TinyFormerError
from tinyformer.experiments.point import point_name
from tinyformer.tracking.reader import read_runs

pytestmark = pytest.mark.xdist_group("pipeline")

CONF = Path(__file__).parents[2] / "conf"


@pytest.mark.parametrize(
    ("words", "points", "keys"),
    [
        (["seed=0,1", "sparsity=s50"], [("seed=0", "sparsity=s50"), ("seed=1", "sparsity=s50")], ("seed",)),
        (["seed=range(0,4,2)"], [("seed=0",), ("seed=2",)], ("seed",)),
        (["mcu=glob(stm32h7*)"], [("mcu=stm32h743",), ("mcu=stm32h7a3",)], ("mcu",)),
        (["finetune.learning_rate=choice(0.1,0.2)"], None, ("finetune.learning_rate",)),
        (
            ["experiment=quickstart,cifar10", "hydra/launcher=joblib"],
            [("experiment=quickstart",), ("experiment=cifar10",)],
            ("experiment",),
        ),
        (["seed=3"], [("seed=3",)], ()),
    ],
)
def test_a_line_is_hydras(words: list[str], points: list[tuple[str, ...]] | None, keys: tuple[str, ...]) -> None:
    parsed = parse(CONF, words)
    assert parsed.keys() == keys
    assert points is None or expand(parsed) == points


@pytest.mark.parametrize("word", ["seed", "seed=[0,", "seed=interval(0,1)"])
def test_what_is_no_list_of_points_is_named(word: str) -> None:
    with pytest.raises(TinyFormerError, match="Command line"):
        expand(parse(CONF, [word]))


def test_points_have_names_that_a_file_system_takes() -> None:
    words = ("mcu=stm32f746", "data.root=/some where/images", "seed=0")
    assert point_name(words, ("mcu", "data.root")) == "mcu=stm32f746,data.root=-some-where-images"
    names = {point_name((f"data.root={'x' * 300}{i}",), ("data.root",)) for i in range(2)}
    assert len(names) == 2 and max(map(len, names)) < 200


def test_one_point_fails_alone_and_the_others_are_kept(tiny: Project) -> None:
    sweep = ("repro", "-m", *TINY, "limits.flash_bytes=null,20000", "--name", "limits")
    parameters = (tiny.root / "params.yaml").read_bytes()
    result = tiny.tinyformer(*sweep, ok=False)
    assert result.returncode == 1
    assert "1 of 2 points failed" in result.stderr
    assert "failed in supernas" in result.stdout and "smallest achievable" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    directory = tiny.root / "outputs/sweeps/limits"
    good = directory / "limits.flash_bytes=null"
    assert (good / "outputs/model.onnx").read_bytes() == (tiny.root / "outputs/model.onnx").read_bytes()
    assert ": running" not in (good / "log.txt").read_text("utf-8"), "all of it is in the cache"
    [published] = read_runs(good / "outputs/wandb")
    assert (published.group, published.job_type) == ("limits", "summary")
    assert published.name == "quickstart limits.flash_bytes=null" and published.tags == ("limits.flash_bytes=null",)
    assert (tiny.root / "params.yaml").read_bytes() == parameters
    again = tiny.tinyformer(*sweep, ok=False)
    assert again.returncode == 1
    assert "1 finished before" in again.stdout, "and the failed one is tried again"


def test_a_wrong_point_is_refused_before_any_runs(tiny: Project) -> None:
    result = tiny.tinyformer("repro", "-m", *TINY, "mcu=stm32f746,stm32f999", "--name", "wrong", ok=False)
    assert result.returncode == 1
    assert "there is no conf/mcu/stm32f999.yaml" in result.stderr
    assert not (tiny.root / "outputs/sweeps/wrong").exists()


def test_a_shared_stage_is_computed_once_even_after_a_kill(tiny: Project) -> None:
    command = [
        "repro", "-m", *TINY, "seed=5,6", "mcu=nrf52840", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2",
        "--name", "shared", "--stage", "profile_mcu",
    ]  # fmt: skip
    directory = tiny.root / "outputs/sweeps/shared"
    process = subprocess.Popen(
        [sys.executable, "-m", "tinyformer.cli", *command], cwd=tiny.root, env=tiny.environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while "profile_mcu: waiting" not in _logs(directory):
        assert process.poll() is None and time.monotonic() < deadline, _logs(directory)
        time.sleep(0.1)
    tree = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(tree, timeout=20)
    assert [one.cmdline() for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
    tiny.tinyformer(*command)
    logs = _logs(directory)
    assert len(re.findall(r"profile_mcu: done", logs)) == 1
    assert len(re.findall(r"profile_mcu: restored", logs)) == 1
    for seed in (5, 6):
        point = directory / f"seed={seed}"
        parameters = yaml.safe_load((point / "params.yaml").read_text("utf-8"))
        assert (parameters["seed"], parameters["mcu"]["name"]) == (seed, "nrf52840")
        assert json.loads((point / "status.json").read_text("utf-8"))["state"] == "done"


def _logs(directory: Path) -> str:
    return "".join(path.read_text("utf-8") for path in sorted(directory.glob("*/log.txt")))


@pytest.mark.slow
def test_an_adaptive_sweep_ends_in_its_best_points(tiny: Project) -> None:
    space = ("sparsity.target=interval(0.5,0.9)", "finetune.learning_rate=tag(log,interval(0.01,0.1))")
    search = ("repro", "-m", *TINY, *space, "--trials", "3", "--batch", "2", "--name", "adaptive")
    first = tiny.tinyformer(*search)
    assert "3 trials in outputs/sweeps/adaptive, 0 finished before" in first.stdout
    best = first.stdout.partition("Best in accuracy_int8, latency_ms, flash_bytes:")[2]
    assert 1 <= best.count("finetune.learning_rate=") <= 3
    again = tiny.tinyformer(*search)
    assert "3 finished before" in again.stdout and again.stdout.count("finished before") == 4
    assert (tiny.root / "outputs/sweeps/adaptive/comparison.html").is_file()
