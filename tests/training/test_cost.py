# SPDX-License-Identifier: Apache-2.0
"""What trainings say of their cost."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.supernas.runs import SPEC, train_config
from tests.trainings import DATA, TRAINER
from torch import nn

from tinyformer.config.runtime import RuntimeConfig
from tinyformer.data.splits import load_splits
from tinyformer.nets.spec import weighted_layers
from tinyformer.nets.subnet import Subnet
from tinyformer.supernas.training import train_supernet
from tinyformer.training.cost import forward_flop, statement


def test_operations_are_those_of_the_layers_and_attention() -> None:
    subnet = Subnet(SPEC.largest()).train()
    layers = 2 * sum(layer.macs for layer in weighted_layers(subnet.spec))
    counted = forward_flop(subnet, torch.zeros(1, 1, 8, 8))
    assert layers <= counted < 1.2 * layers
    assert subnet.training


def test_a_linear_layer_counts_two_a_multiply_accumulate() -> None:
    assert forward_flop(nn.Linear(3, 5), torch.zeros(1, 3)) == 2 * 3 * 5


def test_the_statement_names_operations_rate_and_hours() -> None:
    text = statement("finetune", 7.2e13, 2e10, 3.6e13)
    assert text.startswith("finetune: 7.2e+13 FLOP on each device; at 20.0 GFLOP/s") and "0.50 h to go" in text


def test_a_training_states_its_cost_once(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def train(progress_bar: bool) -> str:
        train_supernet(
            SPEC, load_splits(dataset), DATA, train_config(), TRAINER, seed=7, checkpoints=tmp_path / str(progress_bar),
            runtime=RuntimeConfig(progress_bar=progress_bar),
        )  # fmt: skip
        return capsys.readouterr().err

    assert train(True).count("supernet_training: ") == 1
    assert "FLOP" not in train(False)
