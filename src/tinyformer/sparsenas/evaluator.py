"""How good a candidate is: its path cut out of the supernet, pruned, recalibrated, and run on validation images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tinyformer.config.sparsenas import SparseNasConfig
from tinyformer.config.sparsity import SparsityConfig
from tinyformer.data.loading import normalize
from tinyformer.data.splits import Split, Splits
from tinyformer.nets.pruning import Masks, apply_masks, loss_gradients, make_masks
from tinyformer.nets.subnet import Subnet, recalibrate_batchnorm
from tinyformer.nets.supernet import Supernet, extract
from tinyformer.nets.supernet_spec import SupernetSpec
from tinyformer.sparsenas.genome import Genome, content_hash

_REVISION = 1
"""Part of every key: raise it when the same genome would be evaluated differently by new code."""


@dataclass(frozen=True)
class Evaluator:
    """Everything an evaluation depends on; travels to worker processes.

    Training images serve BatchNorm, recovery and the taylor criterion; accuracy is measured on validation images, and
    the test split is never here.
    """

    supernet_spec: SupernetSpec
    weights: Mapping[str, Tensor]
    train: Split
    val: Split
    config: SparseNasConfig
    sparsity: SparsityConfig

    @staticmethod
    def of(
        supernet_spec: SupernetSpec,
        weights: Mapping[str, Tensor],
        splits: Splits,
        *,
        config: SparseNasConfig,
        sparsity: SparsityConfig,
        seed: int,
    ) -> Evaluator:
        """An evaluator that holds the images it needs and no others."""
        batches = max(config.recalibration_batches, sparsity.recovery_steps)
        order = np.random.default_rng(seed).permutation(len(splits.train.labels))[: batches * config.batch_size]
        train = Split(splits.train.images[order], splits.train.labels[order])
        count = config.evaluation_images
        val = Split(splits.val.images[:count], splits.val.labels[:count])
        return Evaluator(supernet_spec, dict(weights), train, val, config, sparsity)

    def key(self, genome: Genome) -> str:
        """What the evaluation of ``genome`` is stored under: a hash of it and of all that its accuracy depends on."""
        return content_hash({"genome": genome.to_dict(), "settings": self._settings})

    def accuracy(self, genome: Genome) -> float:
        """Fraction of the validation images that ``genome`` classifies correctly.

        One thread, so that the figure depends neither on the number of cores nor on that of the workers.
        """
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return self._accuracy(genome)
        finally:
            torch.set_num_threads(threads)

    @cached_property
    def _settings(self) -> dict[str, Any]:
        config = self.config
        return {
            "revision": _REVISION,
            "supernet": content_hash(self.supernet_spec.to_dict()),
            "weights": _hash_arrays({name: tensor.cpu().numpy() for name, tensor in self.weights.items()}),
            "data": _hash_arrays(
                {
                    "train": self.train.images,
                    "train_labels": self.train.labels,
                    "val": self.val.images,
                    "val_labels": self.val.labels,
                }
            ),
            "batch_size": config.batch_size,
            "recalibration_batches": config.recalibration_batches,
            "criterion": self.sparsity.criterion,
            "recovery_steps": self.sparsity.recovery_steps,
            "recovery_lr": self.sparsity.recovery_lr if self.sparsity.recovery_steps else None,
        }

    @cached_property
    def _supernet(self) -> Supernet:
        supernet = Supernet(self.supernet_spec)
        supernet.load_state_dict(dict(self.weights))
        return supernet.eval()

    @cached_property
    def _inputs(self) -> tuple[Tensor, Tensor]:
        """Training images as the network sees them, (N, C, H, W), and labels (N,)."""
        return normalize(self.train.images), torch.as_tensor(self.train.labels)

    @cached_property
    def _validation(self) -> tuple[Tensor, Tensor]:
        return normalize(self.val.images), torch.as_tensor(self.val.labels)

    def _accuracy(self, genome: Genome) -> float:
        subnet = extract(self._supernet, genome.subnet)
        masks = make_masks(subnet.state_dict(), genome.plan, self.sparsity.criterion, self._gradients(subnet))
        apply_masks(subnet, masks)
        if self.sparsity.recovery_steps:
            self._recover(subnet, masks)
        recalibrate_batchnorm(subnet, [x for x, _ in self._batches(self.config.recalibration_batches)])
        subnet.eval()
        images, labels = self._validation
        with torch.inference_mode():
            chunks = images.split(self.config.batch_size)
            predictions = torch.cat([subnet(chunk).argmax(dim=1) for chunk in chunks])
        return int((predictions == labels).sum()) / len(labels)

    def _batches(self, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        images, labels = self._inputs
        size = self.config.batch_size
        batches = -(-len(labels) // size)
        for i in range(count):
            start = i % batches * size
            yield images[start : start + size], labels[start : start + size]

    def _gradients(self, subnet: Subnet) -> dict[str, Tensor] | None:
        """Gradients of the loss on one training batch, where the criterion asks for them."""
        if self.sparsity.criterion != "taylor":
            return None
        return loss_gradients(subnet, *next(self._batches(1)))

    def _recover(self, subnet: nn.Module, masks: Masks) -> None:
        """A few masked steps of SGD on training batches."""
        optimizer = torch.optim.SGD(subnet.parameters(), lr=self.sparsity.recovery_lr, momentum=0.9, nesterov=True)
        subnet.train()
        for images, labels in self._batches(self.sparsity.recovery_steps):
            optimizer.zero_grad()
            F.cross_entropy(subnet(images), labels).backward()
            optimizer.step()
            apply_masks(subnet, masks)


def _hash_arrays(arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
