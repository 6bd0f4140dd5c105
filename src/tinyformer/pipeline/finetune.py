# SPDX-License-Identifier: Apache-2.0
"""Stage ``finetune``: prune the winner of the search and train what remains."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tinyformer.compression.finetune import finetune
from tinyformer.data.normalization import normalize
from tinyformer.data.splits import load_splits
from tinyformer.nets.pruning import Masks, block_sparsity, loss_gradients, make_masks
from tinyformer.nets.spec import LayerSparsity
from tinyformer.nets.supernet import Supernet, extract
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.networks import read_genome, read_supernet_spec
from tinyformer.pipeline.stage import Stage, run_stage
from tinyformer.training.checkpoint import load_weights, save_weights

_GRADIENT_IMAGES = 512
"""Training images whose loss the criterion ``taylor`` looks at."""


def finetune_stage(stage: Stage) -> Mapping[str, Any]:
    """Write ``subnet.safetensors``, exactly sparse, and the training curve."""
    config = stage.config
    processed = artifacts.PROCESSED / config.data.name
    genome = read_genome(artifacts.SUBNET_SPEC)
    supernet = Supernet(read_supernet_spec(artifacts.SUPERNET_SPEC))
    supernet.load_state_dict(load_weights(artifacts.SUPERNET))

    subnet = extract(supernet, genome.subnet)
    splits = load_splits(processed).without_test()
    gradients = None
    if config.sparsity.criterion == "taylor":
        images, labels = splits.train.images[:_GRADIENT_IMAGES], splits.train.labels[:_GRADIENT_IMAGES]
        gradients = loss_gradients(copy.deepcopy(subnet), normalize(images), torch.as_tensor(labels))

    def prune(state: Mapping[str, Tensor], share: float) -> Masks:
        plan = {name: LayerSparsity(layer.block, layer.ratio * share) for name, layer in genome.plan.items()}
        return make_masks(state, plan, config.sparsity.criterion, gradients)

    tuned = finetune(
        subnet,
        prune,
        splits,
        config.data,
        config.finetune,
        config.trainer,
        seed=config.seed,
        checkpoints=stage.checkpoints(),
        supernet=supernet,
        runtime=config.runtime,
        on_metrics=stage.log,
    )
    state = tuned.subnet.state_dict()
    save_weights(artifacts.SUBNET, state)
    stage.write_history()
    stage.run.add_artifact(artifacts.SUBNET, f"{config.experiment}-subnet", "weights")
    return {**tuned.metrics, "block_sparsity": block_sparsity(state, genome.subnet, genome.plan)}


if __name__ == "__main__":
    run_stage("finetune", finetune_stage)
