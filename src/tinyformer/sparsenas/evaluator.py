# SPDX-License-Identifier: Apache-2.0
"""How good a candidate is: its path cut out of the supernet, pruned, recalibrated, and run on validation images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyformer.config.sparsenas import SparseNasConfig
from tinyformer.config.sparsity import SparsityConfig
from tinyformer.data.normalization import normalize
from tinyformer.data.splits import Split, Splits
from tinyformer.errors import TinyFormerError
from tinyformer.keys import arrays_digest, work_key
from tinyformer.nets.compensation import compensate
from tinyformer.nets.pruning import Masks, apply_masks, loss_gradients, make_masks
from tinyformer.nets.subnet import Subnet, recalibrate_batchnorm
from tinyformer.nets.supernet import Supernet, extract
from tinyformer.nets.supernet_spec import SupernetSpec
from tinyformer.sparsenas.genome import Genome, content_hash
from tinyformer.sparsenas.one_thread import one_thread
from tinyformer.sparsenas.pruning_loss import PruningLoss


@dataclass(frozen=True)
class Evaluator:
    """Everything an evaluation depends on; travels to worker processes.

    Training images serve BatchNorm, compensation, recovery and the taylor criterion; accuracy is measured on validation
    images, and the test split is never here.
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
        count = max(config.recalibration_batches, sparsity.recovery_steps) * config.batch_size
        if sparsity.compensation != "none":
            count = max(count, sparsity.compensation_images)
        train = _shuffled(splits.train, seed, count)
        first = slice(config.evaluation_images)
        val = Split(splits.val.images[first], splits.val.labels[first])
        return Evaluator(supernet_spec, dict(weights), train, val, config, sparsity)

    @staticmethod
    def of_finalists(
        supernet_spec: SupernetSpec,
        weights: Mapping[str, Tensor],
        splits: Splits,
        *,
        config: SparseNasConfig,
        sparsity: SparsityConfig,
        seed: int,
        epochs: float,
    ) -> Evaluator:
        """An evaluator that trains candidates for ``epochs`` over all training images, the masks kept, and measures
        them on all validation images."""
        train = _shuffled(splits.train, seed)
        steps = round(epochs * len(train) / config.batch_size)
        trained = sparsity.model_copy(update={"recovery_steps": steps})
        return Evaluator(supernet_spec, dict(weights), train, splits.val, config, trained)

    @cached_property
    def device(self) -> torch.device:
        """What candidates are evaluated on. Raises :class:`TinyFormerError` for a CUDA device that is not there."""
        available = torch.cuda.is_available()
        if self.config.device == "cuda" and not available:
            raise TinyFormerError(
                "sparsenas.device is cuda, but torch finds no CUDA device: choose auto or cpu, or install a CUDA torch."
            )
        return torch.device("cuda" if available and self.config.device != "cpu" else "cpu")

    def key(self, genome: Genome) -> str:
        """What the evaluation of ``genome`` is stored under: a hash of it and of all that its accuracy depends on."""
        return content_hash({"genome": genome.to_dict(), "work": self._key})

    def accuracy(self, genome: Genome) -> float:
        """Fraction of the validation images that ``genome`` classifies correctly.

        On a processor one thread, so that the figure depends neither on the number of cores nor on that of the workers.
        """
        with one_thread():
            return self._accuracy(genome)

    def pruning_loss(self, seed: int) -> PruningLoss:
        """Estimates of what pruning a layer does to the loss, from the weights and the training images at hand."""
        return PruningLoss(self._supernet, *self._inputs, self.sparsity, seed=seed)

    @cached_property
    def _key(self) -> str:
        """Of all evaluations that this evaluator makes: its code, what of the settings matters, its inputs."""
        config, sparsity = self.config, self.sparsity
        return work_key(
            __name__,
            {
                "supernet": self.supernet_spec.to_dict(),
                "batch_size": config.batch_size,
                "recalibration_batches": config.recalibration_batches,
                "criterion": sparsity.criterion,
                "recovery_steps": sparsity.recovery_steps,
                "recovery_lr": sparsity.recovery_lr if sparsity.recovery_steps else None,
                "compensation": self._compensates and sparsity.compensation_images,
                "precision": config.precision if self.device.type == "cuda" else "cpu",
            },
            {
                "weights": arrays_digest({name: tensor.cpu().numpy() for name, tensor in self.weights.items()}),
                "train": arrays_digest({"images": self.train.images, "labels": self.train.labels}),
                "val": arrays_digest({"images": self.val.images, "labels": self.val.labels}),
            },
        )

    @cached_property
    def _supernet(self) -> Supernet:
        supernet = Supernet(self.supernet_spec)
        supernet.load_state_dict(dict(self.weights))
        return supernet.to(self.device).eval()

    @cached_property
    def _inputs(self) -> tuple[Tensor, Tensor]:
        """Training images as the network sees them, (N, C, H, W), and labels (N,)."""
        return self._on_device(self.train)

    @cached_property
    def _validation(self) -> tuple[Tensor, Tensor]:
        return self._on_device(self.val)

    @property
    def _compensates(self) -> bool:
        return self.sparsity.compensation == "least_squares"

    def _on_device(self, split: Split) -> tuple[Tensor, Tensor]:
        return normalize(torch.as_tensor(split.images, device=self.device)), torch.as_tensor(
            split.labels, device=self.device
        )

    def _mixed(self) -> AbstractContextManager[Any]:
        """Mixed precision, where it is asked for and to be had."""
        mixed = self.device.type == "cuda" and self.config.precision == "bf16-mixed"
        return torch.autocast("cuda", torch.bfloat16) if mixed else nullcontext()

    def _accuracy(self, genome: Genome) -> float:
        subnet = extract(self._supernet, genome.subnet)
        masks = make_masks(subnet.state_dict(), genome.plan, self.sparsity.criterion, self._gradients(subnet))
        if self._compensates:
            compensate(subnet, masks, self._inputs[0][: self.sparsity.compensation_images])
        apply_masks(subnet, masks)
        if self.sparsity.recovery_steps:
            self._recover(subnet, masks)
        with self._mixed():
            recalibrate_batchnorm(subnet, [x for x, _ in self._batches(self.config.recalibration_batches)])
        subnet.eval()
        images, labels = self._validation
        with torch.inference_mode(), self._mixed():
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
        """Masked steps of SGD on training batches, at a rate that falls to zero."""
        optimizer = torch.optim.SGD(subnet.parameters(), lr=self.sparsity.recovery_lr, momentum=0.9, nesterov=True)
        subnet.train()
        steps = self.sparsity.recovery_steps
        for step, (images, labels) in enumerate(self._batches(steps)):
            optimizer.param_groups[0]["lr"] = self.sparsity.recovery_lr * (1 - step / steps)
            optimizer.zero_grad()
            with self._mixed():
                loss = F.cross_entropy(subnet(images), labels)
            loss.backward()
            optimizer.step()
            apply_masks(subnet, masks)


def _shuffled(split: Split, seed: int, count: int | None = None) -> Split:
    """The images of ``split`` in random order, or the first ``count`` of them."""
    order = np.random.default_rng(seed).permutation(len(split))[:count]
    return Split(split.images[order], split.labels[order])
