# SPDX-License-Identifier: Apache-2.0
"""Quantization-aware training: weights, and the ranges of activations, learn to live with INT8.

It works on the float ONNX graph, BatchNorm already folded, with quantization exactly where the INT8 model will have it:
what is trained is what is deployed. The float model is the teacher.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import Tensor, nn

from tinyformer.compression.fake_quantization import FixedRange, FixedZeros, LearntRange, fake_quantize_weights
from tinyformer.compression.float_graph import prepare
from tinyformer.compression.quantize import Plan, plan_quantization, quantize
from tinyformer.compression.ranges import Range
from tinyformer.compression.torch_graph import TorchGraph
from tinyformer.config.data import DataConfig
from tinyformer.config.quantization import QuantizationConfig
from tinyformer.config.runtime import DEFAULT_RUNTIME, RuntimeConfig
from tinyformer.config.trainer import TrainerConfig
from tinyformer.data.splits import Splits
from tinyformer.keys import work_key
from tinyformer.training.callbacks import OnMetrics
from tinyformer.training.student import Run, StudentModule, train_student
from tinyformer.training.trainer import threads


@dataclass(frozen=True)
class QuantizationTrained:
    """The INT8 model and the metrics of the last epoch."""

    model: onnx.ModelProto
    metrics: dict[str, float]


def train_quantized(
    model: onnx.ModelProto,
    calibration_images: NDArray[np.float32],
    splits: Splits,
    data: DataConfig,
    config: QuantizationConfig,
    trainer: TrainerConfig,
    *,
    seed: int,
    checkpoints: Path,
    runtime: RuntimeConfig = DEFAULT_RUNTIME,
    on_metrics: OnMetrics | None = None,
) -> QuantizationTrained:
    """Train the float ``model`` under quantization (``config.training``) on the train split and quantize the result.

    Ranges start as post-training quantization chooses them on ``calibration_images`` (N, C, H, W). Zero weights stay
    zero. Resumes, reports and raises as ``compression.finetune.finetune`` does; also raises :class:`TinyFormerError`
    for an operator that cannot be trained.
    """
    settings = config.training
    if settings is None:
        raise ValueError("config.training is null: nothing to train")
    splits = splits.without_test()
    graph = prepare(model)
    plan = plan_quantization(graph, calibration_images, config)
    key = work_key(
        __name__,
        {
            "data": data.model_dump(mode="json"),
            "quantization": config.model_dump(mode="json"),
            "trainer": trainer.model_dump(mode="json"),
            "ranges": plan.ranges,
            "seed": seed,
        },
        {"images": splits.digest, "model": model.SerializeToString(deterministic=True)},
    )
    # What is rounded must be exact before; and a graph of many small operators takes longer to compile than to train.
    trainer = trainer.model_copy(update={"precision": "32-true", "compile": False})
    with threads(trainer.num_threads):
        student = QuantizedGraph(TorchGraph(graph), plan)
        module = StudentModule(
            student,
            TorchGraph(graph),
            FixedZeros(student.quantized_weights()),
            settings,
            "quantization.training",
            trainer,
        )
        run = Run(splits, data, trainer, runtime, seed, checkpoints, key)
        metrics = train_student(module, settings, run, on_metrics=on_metrics)
    graph.constants.update(student.graph.constants())
    final = config.model_copy(update={"bias_correction": False})  # the biases have learnt with the rounded weights
    return QuantizationTrained(quantize(graph.model(), calibration_images, final, ranges=student.ranges()), metrics)


class QuantizedGraph(nn.Module):
    """A graph whose weights and activations are INT8 in the forward pass."""

    def __init__(self, graph: TorchGraph, plan: Plan) -> None:
        super().__init__()
        self.graph = graph
        self._axes = {layer.weight_name: layer.output_axis for layer in plan.layers.values()}
        self._names = {name: name.replace(".", "/") for name in (*plan.ranges, *plan.fixed)}
        learnt = {self._names[name]: LearntRange(limits) for name, limits in plan.ranges.items()}
        fixed = {self._names[name]: FixedRange(quantization) for name, quantization in plan.fixed.items()}
        self.activations = nn.ModuleDict({**learnt, **fixed})

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) -> logits (N, classes)."""
        return self.graph.run(self._activation(self.graph.input, x), self._weight, self._activation)

    def quantized_weights(self) -> dict[str, Tensor]:
        """The parameters that become INT8."""
        return {name: self.graph.parameter(name) for name in self._axes}

    def ranges(self) -> dict[str, Range]:
        """The learnt ranges by activation."""
        found = {name: self.activations[key] for name, key in self._names.items()}
        return {name: module.limits() for name, module in found.items() if isinstance(module, LearntRange)}

    def _weight(self, name: str, value: Tensor) -> Tensor:
        return fake_quantize_weights(value, self._axes[name]) if name in self._axes else value

    def _activation(self, name: str, value: Tensor) -> Tensor:
        return self.activations[self._names[name]](value) if name in self._names else value
