# SPDX-License-Identifier: Apache-2.0
"""Adaptive sweeps: what is proposed, and that a killed one goes on as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tinyformer.config.dimensions import Interval, dimensions
from tinyformer.config.multirun import expand, parse
from tinyformer.errors import TinyFormerError
from tinyformer.experiments import sweep as sweeps
from tinyformer.experiments.adaptive import STUDY, Adaptive, AdaptiveSweep
from tinyformer.experiments.point import STATUS, Workshop
from tinyformer.experiments.sweep import Point, Sweep
from tinyformer.files import make_directory
from tinyformer.pipeline import artifacts

CONF = Path(__file__).parents[2] / "conf"
ROOT = CONF.parent
SPACE = ("sparsity=s80", "sparsity.target=interval(0.5,0.9)", "seed=range(0,4)", "mcu=stm32f746,stm32h743")
OBJECTIVES = ("accuracy_int8", "latency_ms")


class Known(Sweep):
    """A sweep of which nothing runs: its points come to what a formula says, or fail."""

    launched: list[list[str]]

    def run(self, points: Sequence[Point], until: str | None, force: bool, watch: Callable[[], None]) -> None:
        self.launched.append([point.name for point in points])
        for point in points:
            make_directory(point.directory / "outputs")
            target = point.composition.config.sparsity.target or 0.0
            figures = {"accuracy_int8": 1 - target**2, "latency_ms": 20 * (1 - target)}
            failed = point.composition.config.seed == 3
            point.finished_before = not failed
            (point.directory / STATUS).write_text(json.dumps({"state": "failed" if failed else "done"}))
            (point.directory / artifacts.SUMMARY).write_text(json.dumps(figures))


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Known]:
    monkeypatch.setattr(sweeps, "is_finished", lambda workshop, name, _: (workshop.directory / name / STATUS).is_file())

    def make(*words: str) -> Known:
        parsed = parse(CONF, words)
        made = Known("space", Workshop(ROOT, tmp_path, tmp_path), parsed, parsed.keys())
        made.launched = []
        return made

    return make


def search(sweep: Known, trials: int, batch: int = 3) -> AdaptiveSweep:
    found = AdaptiveSweep(sweep, Adaptive(trials, batch, OBJECTIVES))
    found.run(False, lambda: None)
    return found


def test_a_line_is_a_space() -> None:
    words = parse(
        CONF, ["seed=int(interval(1,9))", "a=tag(log,interval(1e-3,1))", "b=range(0,1,0.5)", "mcu=x,y", "c=1"]
    )
    fixed, found = dimensions(words)
    assert fixed == ("c=1",)
    assert [(d.key, d.values, d.ordered) for d in found] == [
        ("seed", Interval(1, 9, whole=True, logarithmic=False), True),
        ("a", Interval(1e-3, 1, whole=False, logarithmic=True), True),
        ("b", ("0.0", "0.5"), True),
        ("mcu", ("x", "y"), False),
    ]


@pytest.mark.parametrize("words", [["seed=1"], ["a=interval(2,1)"], ["a=tag(log,interval(0,1))"]])
def test_what_is_no_space_is_named(words: list[str]) -> None:
    with pytest.raises(TinyFormerError, match="Command line"):
        dimensions(parse(CONF, words))


def test_an_interval_is_no_list_of_points() -> None:
    with pytest.raises(TinyFormerError, match=r"seed is an interval.*--trials"):
        expand(parse(CONF, ["seed=interval(0,1)"]))


@pytest.mark.parametrize("objectives", [(), ("accuracy",), ("latency_ms", "latency_ms"), ("macs",)])
def test_unknown_objectives_are_refused(objectives: tuple[str, ...]) -> None:
    with pytest.raises(TinyFormerError, match="--objectives"):
        Adaptive(3, 1, objectives)


def test_it_proposes_batches_of_new_points_and_keeps_the_best(sweep: Callable[..., Known]) -> None:
    made = sweep(*SPACE)
    found = search(made, 10)
    assert [len(batch) for batch in made.launched] == [3, 3, 3, 1]
    names = [name for batch in made.launched for name in batch]
    assert len(set(names)) == 10 == found.finished
    best = found.best()
    assert best and not any(point in made.failed() for point in best)
    for point in best:  # every target is a compromise of its own, so that all that ran are best
        assert 0.5 <= (point.composition.config.sparsity.target or 0) <= 0.9


def test_a_killed_one_proposes_the_same_again(sweep: Callable[..., Known], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sweep(*SPACE, "experiment=quickstart")
    search(whole, 9)
    (whole.directory / STUDY).unlink()
    run = Known.run

    def killed(self: Known, points: Sequence[Point], *rest: object) -> None:
        if len(self.launched) == 2:
            raise KeyboardInterrupt
        run(self, points, None, False, lambda: None)

    first = sweep(*SPACE, "experiment=quickstart")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Known, "run", killed)
        search(first, 9)
    second = sweep(*SPACE, "experiment=quickstart")
    again = search(second, 9)
    assert first.launched + second.launched == whole.launched
    assert again.finished == 9 == len(second.points)
    third = sweep(*SPACE, "experiment=quickstart")
    assert search(third, 9).finished == 9 and third.launched == []


def test_a_small_space_ends_when_all_of_it_was_tried(sweep: Callable[..., Known]) -> None:
    made = sweep("mcu=stm32f746,stm32h743", "seed=0,1")
    assert search(made, 20).finished == 4


def test_results_of_other_code_are_not_counted(sweep: Callable[..., Known], monkeypatch: pytest.MonkeyPatch) -> None:
    search(sweep(*SPACE), 3)
    monkeypatch.setattr(sweeps, "is_finished", lambda *_: False)
    assert AdaptiveSweep(sweep(*SPACE), Adaptive(3, 1, OBJECTIVES)).finished == 0


def test_a_damaged_study_is_named(sweep: Callable[..., Known]) -> None:
    made = sweep(*SPACE)
    (made.directory / STUDY).write_bytes(b"no database, but long enough to look at" * 9)
    with pytest.raises(TinyFormerError, match=r"study\.db is damaged"):
        search(made, 2)
