# SPDX-License-Identifier: Apache-2.0
"""Short trainings of supernets: resumable, and compared by sub-networks within the limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.supernas.runs import SPEC, train_config
from tests.trainings import DATA, TRAINER, runtime

from tinyformer.budget import Budget
from tinyformer.config.supernas import SuperNasConfig
from tinyformer.data.splits import load_splits
from tinyformer.engine.costs.estimator import Cost
from tinyformer.pipeline import supernet_trial
from tinyformer.pipeline.supernet_trial import SupernetTrial
from tinyformer.supernas.scoring import score_supernet

CONFIG = SuperNasConfig(samples=4, finalists=2, trial=train_config(epochs=2), trial_samples=3)


@pytest.fixture
def trial(dataset: Path, tmp_path: Path) -> SupernetTrial:
    settings = runtime(None).model_copy(update={"workers": 1})
    return SupernetTrial(load_splits(dataset).without_test(), DATA, TRAINER, CONFIG, 7, settings, tmp_path)


def test_what_was_trained_is_not_trained_again(trial: SupernetTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    budget = Budget({"flash_bytes": 1.0})
    scored = score_supernet(SPEC, (), {}, lambda spec, plan: Cost(1, 1, 1, 1.0), budget, CONFIG, seed=7)
    first = trial.accuracies([scored, scored], 2)
    assert first[0] == first[1] and 0 < first[0] <= 1
    monkeypatch.setattr(supernet_trial, "train_supernet", None)
    assert trial.accuracies([scored], 2) == first[:1]


@pytest.mark.parametrize(("epochs", "trained"), [(2, 2), (1, 1), (0.25, 1)])
def test_earlier_rounds_train_for_a_share(trial: SupernetTrial, epochs: float, trained: int) -> None:
    settings = trial._settings(epochs)
    assert (settings.epochs, settings.warmup_epochs) == (trained, 0.5 * trained / 2)
