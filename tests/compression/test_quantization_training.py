# SPDX-License-Identifier: Apache-2.0
"""Quantization-aware training computes what the INT8 model computes, and makes it better."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tests.compression.finetune_runs import dense_subnet, run
from tests.compression.networks import every_block, random_images, random_subnet
from tests.compression.test_foreign_models import IMAGES, MODELS
from tests.trainings import DATA, TRAINER, runtime
from tinyformer.compression.export import to_float_onnx
from tinyformer.compression.fake_quantization import LearntRange, fake_quantize_weights
from tinyformer.compression.float_graph import prepare
from tinyformer.compression.onnx_runs import logits
from tinyformer.compression.quantization_training import QuantizedGraph, train_quantized
from tinyformer.compression.quantize import plan_quantization, quantize
from tinyformer.compression.ranges import affine
from tinyformer.compression.torch_graph import TorchGraph
from tinyformer.config.quantization import QuantizationConfig, QuantizationTrainingConfig
from tinyformer.data.normalization import normalize
from tinyformer.data.splits import Splits, load_splits
from tinyformer.errors import TinyFormerError
from tinyformer.nets.spec import Activation

PLAIN = QuantizationConfig(bias_correction=False)
TRAINABLE = [name for name in MODELS if name != "two layers with one weight"]


@pytest.mark.parametrize("activation", ["relu", "relu6", "hardswish", "silu"])
def test_the_training_graph_computes_what_the_models_compute(activation: Activation) -> None:
    spec = every_block(activation)
    model, images = to_float_onnx(random_subnet(spec)), random_images(24, spec)
    graph = prepare(model)
    quantized = quantize(model, images.numpy(), PLAIN)
    with torch.no_grad():
        exact = TorchGraph(graph)(images)
        rounded = QuantizedGraph(TorchGraph(graph), plan_quantization(graph, images.numpy(), PLAIN))(images)
    np.testing.assert_allclose(exact.numpy(), logits(model, images.numpy()), atol=1e-4)
    expected = logits(quantized, images.numpy())
    step = float(next(onnx.numpy_helper.to_array(t) for t in quantized.graph.initializer if t.name == "logits.scale"))
    difference = np.abs(rounded.numpy() - expected) / step
    assert difference.max() <= 2.01  # values half way between two steps may go either way, and what follows from them
    assert (difference < 0.01).mean() > 0.5


@pytest.mark.parametrize("name", TRAINABLE)
def test_models_of_other_exporters_can_be_trained(name: str) -> None:
    graph = prepare(MODELS[name])
    with torch.no_grad():
        outputs = TorchGraph(graph)(torch.from_numpy(IMAGES))
    np.testing.assert_allclose(outputs.numpy(), logits(MODELS[name], IMAGES), atol=1e-4)


def test_a_learnt_range_rounds_like_the_quantization_of_that_range() -> None:
    values = torch.linspace(-4, 4, 999)
    for limits in [(-1.0, 3.0), (0.0, 2.0), (0.5, 2.0), (-3.0, -1.0)]:
        quantization = affine(limits)
        q = quantization.quantize(values.double().numpy()).astype(np.float64)
        expected = (q - quantization.zero_point) * quantization.scale
        np.testing.assert_allclose(
            LearntRange(limits)(values).detach().numpy(), expected, atol=quantization.scale * 1.01
        )
        assert np.median(np.abs(LearntRange(limits)(values).detach().numpy() - expected)) < 1e-5


def test_a_range_learns_to_cover_what_matters() -> None:
    """Too wide or too narrow, gradients of the squared error lead to a range of less error."""
    values = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    for limits in [(-40.0, 40.0), (-1.0, 1.0)]:
        learnt = LearntRange(limits)
        optimizer = torch.optim.Adam(learnt.parameters(), lr=0.05)
        before = float((learnt(values) - values).detach().square().mean())
        for _ in range(60):
            optimizer.zero_grad()
            loss = (learnt(values) - values).square().mean()
            loss.backward()
            optimizer.step()
        assert float(loss.detach()) < before / 5


def test_rounded_weights_keep_zeros_and_pass_gradients() -> None:
    weights = torch.tensor([[0.3, 0.0, -1.27], [0.0, 0.0, 0.0]], requires_grad=True)
    rounded = fake_quantize_weights(weights, 0)
    torch.testing.assert_close(rounded.detach(), torch.tensor([[0.3, 0.0, -1.27], [0.0, 0.0, 0.0]]))
    rounded.sum().backward()
    assert weights.grad is not None
    assert bool((weights.grad == 1).all())


@pytest.fixture(scope="module")
def trained(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Splits, onnx.ModelProto]:
    """Digits, and a sparse float model that has learnt a little of them."""
    return load_splits(dataset), to_float_onnx(run(dataset, tmp_path_factory.mktemp("float"), epochs=12).subnet)


SETTINGS = QuantizationTrainingConfig(epochs=3, batch_size=40, learning_rate=1e-3, ema_decay=0.8)


def train(trained: tuple[Splits, onnx.ModelProto], path: Path, curve: dict | None = None) -> onnx.ModelProto:
    splits, model = trained

    def on_metrics(metrics: Mapping[str, float], epoch: int) -> None:
        if curve is not None:
            curve[epoch] = dict(metrics)
            if epoch == 2 and curve.get("die"):
                raise InterruptedError

    images = normalize(splits.calibration.images).numpy()
    config = QuantizationConfig(training=SETTINGS)
    return train_quantized(
        model,
        images,
        splits,
        DATA,
        config,
        TRAINER,
        seed=3,
        checkpoints=path,
        runtime=runtime(checkpoint_every=3),
        on_metrics=on_metrics,
    ).model


def test_training_under_quantization_helps_keeps_zeros_and_resumes(
    trained: tuple[Splits, onnx.ModelProto], tmp_path: Path
) -> None:
    splits, model = trained
    curve: dict = {}
    result = train(trained, tmp_path / "whole", curve)
    assert [sorted(curve[epoch]) for epoch in (1, 2, 3)] == [["train_loss", "val_accuracy"]] * 3
    assert curve[3]["train_loss"] < curve[1]["train_loss"]
    onnx.checker.check_model(result, full_check=True)
    before = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    after = {t.name: onnx.numpy_helper.to_array(t) for t in result.graph.initializer}
    changed = 0
    for name, weight in before.items():
        if f"{name}.int8" in after:
            assert not after[f"{name}.int8"][weight == 0].any()
            changed += int(not np.array_equal(after[f"{name}.int8"], np.rint(weight / np.abs(weight).max() * 127)))
    assert changed > 5
    with pytest.raises(InterruptedError):
        train(trained, tmp_path / "killed", {"die": True})
    resumed = train(trained, tmp_path / "killed")
    assert resumed.SerializeToString(deterministic=True) == result.SerializeToString(deterministic=True)
    images, labels = normalize(splits.train.images).numpy(), splits.train.labels
    calibration = normalize(splits.calibration.images).numpy()

    def loss(quantized: onnx.ModelProto) -> float:
        outputs = torch.from_numpy(logits(quantized, images))
        return float(torch.nn.functional.cross_entropy(outputs, torch.from_numpy(labels)))

    assert loss(result) < loss(quantize(model, calibration, QuantizationConfig()))


def test_what_cannot_be_trained_is_named(trained: tuple[Splits, onnx.ModelProto]) -> None:
    with pytest.raises(TinyFormerError, match=r"AveragePool node 'd'.*quantization\.training to null"):
        model = onnx.ModelProto()
        model.CopyFrom(MODELS["concatenation of scales, one of them fixed"])
        node = next(node for node in model.graph.node if node.op_type == "AveragePool")
        node.attribute.append(onnx.helper.make_attribute("ceil_mode", 1))
        TorchGraph(prepare(model))
    with pytest.raises(ValueError, match="nothing to train"):
        train_quantized(
            to_float_onnx(dense_subnet()), IMAGES, trained[0], DATA, PLAIN, TRAINER, seed=0, checkpoints=Path("unused")
        )
