# SPDX-License-Identifier: Apache-2.0
"""Fixture models as QDQ INT8 ONNX: the MLPerf Tiny networks, MobileNetV2, and two vision transformers.

Built the way a user of other tools builds them: torch modules, torch's exporter, onnxruntime's ``quantize_static``.
They are trained for a few steps on synthetic classes, so that activations are well-behaved, logits have margins and
top-1 agreement means something; the training is that of a fixture, not of a product. Same seed, same bytes.

    python benchmarks/models.py DIRECTORY [NAME ...]
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn
from torch.nn.utils import fuse_linear_bn_eval

SEED = 2026
STEPS = 80
BATCH = 32


def conv_bn(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, act: nn.Module | None = None
) -> nn.Sequential:
    """Convolution with 'same' padding, BatchNorm and an activation."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([act] if act is not None else []))


class Residual(nn.Module):
    """relu(x + body(x)), with a projection where shapes change (ResNet-8)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv_bn(inputs, outputs, 3, stride, act=nn.ReLU()), conv_bn(outputs, outputs, 3))
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class InvertedResidual(nn.Module):
    """MobileNetV2's block."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, expansion: int, act: Callable[[], nn.Module] = nn.ReLU6
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        expand = [conv_bn(inputs, hidden, 1, act=act())] if expansion > 1 else []
        self.body = nn.Sequential(
            *expand, conv_bn(hidden, hidden, 3, stride, hidden, act()), conv_bn(hidden, outputs, 1)
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.residual else self.body(x)


class Encoder(nn.Module):
    """Pre-norm transformer layer with packed projections."""

    def __init__(self, width: int, heads: int, hidden: int, act: Callable[[], nn.Module] = nn.GELU) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), act(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q @ k.transpose(-2, -1) * (width // self.heads) ** -0.5).softmax(-1)
        x = x + self.proj((weights @ v).transpose(1, 2).reshape(batch, tokens, width))
        return x + self.mlp(self.norm2(x))


class MobileVitBlock(nn.Module):
    """Local convolutions, then attention between the pixels at equal places of all 2x2 patches, then fusion."""

    def __init__(self, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.local = nn.Sequential(conv_bn(channels, channels, 3, act=nn.SiLU()), nn.Conv2d(channels, width, 1))
        self.encoders = nn.Sequential(*(Encoder(width, 4, 2 * width, nn.SiLU) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.project = conv_bn(width, channels, 1, act=nn.SiLU())
        self.fuse = conv_bn(2 * channels, channels, 3, act=nn.SiLU())

    def forward(self, x: Tensor) -> Tensor:
        y = self.local(x)
        batch, width, h, w = y.shape
        y = y.reshape(batch, width, h // 2, 2, w // 2, 2).permute(0, 3, 5, 2, 4, 1)
        y = self.norm(self.encoders(y.reshape(batch * 4, h * w // 4, width)))
        y = y.reshape(batch, 2, 2, h // 2, w // 2, width).permute(0, 5, 3, 1, 4, 2).reshape(batch, width, h, w)
        y = self.project(y)
        return self.fuse(torch.cat([x, y], dim=1))


class Classifier(nn.Module):
    """Features, global pooling, one linear layer."""

    def __init__(self, features: nn.Module, width: int, classes: int) -> None:
        super().__init__()
        self.features, self.head = features, nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))


class VisionTransformer(nn.Module):
    """Patch embedding, class token, position embedding, encoders."""

    def __init__(self, patch: int, tokens: int, width: int, depth: int, heads: int, classes: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.5)
        self.position = nn.Parameter(torch.randn(1, tokens + 1, width) * 0.5)
        self.encoders = nn.Sequential(*(Encoder(width, heads, 2 * width) for _ in range(depth)), nn.LayerNorm(width))
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        token = self.token.expand(x.shape[0], -1, -1)
        x = self.encoders(torch.cat([token, x], dim=1) + self.position)
        return self.head(x[:, 0])


def resnet8() -> nn.Module:
    blocks = [Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2)]
    return Classifier(nn.Sequential(conv_bn(3, 16, 3, act=nn.ReLU()), *blocks), 64, 10)


def dscnn() -> nn.Module:
    stem = nn.Sequential(nn.ZeroPad2d((1, 1, 4, 5)), nn.Conv2d(1, 64, (10, 4), 2), nn.BatchNorm2d(64), nn.ReLU())
    blocks = [nn.Sequential(conv_bn(64, 64, 3, 1, 64, nn.ReLU()), conv_bn(64, 64, 1, act=nn.ReLU())) for _ in range(4)]
    return Classifier(nn.Sequential(stem, *blocks), 64, 12)


def mobilenetv1() -> nn.Module:
    plan = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]
    layers, width = [conv_bn(3, 8, 3, 2, act=nn.ReLU())], 8
    for outputs, stride in plan:
        layers += [conv_bn(width, width, 3, stride, width, nn.ReLU()), conv_bn(width, outputs, 1, act=nn.ReLU())]
        width = outputs
    return Classifier(nn.Sequential(*layers), width, 2)


def mobilenetv2() -> nn.Module:
    plan = [(1, 8, 1, 1), (6, 8, 2, 2), (6, 16, 3, 2), (6, 24, 4, 2), (6, 32, 3, 1), (6, 56, 3, 2), (6, 112, 1, 1)]
    layers: list[nn.Module] = [conv_bn(3, 16, 3, 1, act=nn.ReLU6())]
    width = 16
    for expansion, outputs, repeats, stride in plan:
        for i in range(repeats):
            layers.append(InvertedResidual(width, outputs, stride if i == 0 else 1, expansion))
            width = outputs
    layers.append(conv_bn(width, 448, 1, act=nn.ReLU6()))
    return Classifier(nn.Sequential(*layers), 448, 10)


def autoencoder() -> nn.Module:
    widths = [640, *[128] * 4, 8, *[128] * 4]
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(128, 640))


def mobilevit() -> nn.Module:
    return Classifier(
        nn.Sequential(
            conv_bn(3, 16, 3, 2, act=nn.SiLU()),
            InvertedResidual(16, 16, 1, 2, nn.SiLU),
            InvertedResidual(16, 24, 2, 2, nn.SiLU),
            InvertedResidual(24, 48, 2, 2, nn.SiLU),
            MobileVitBlock(48, 64, 2),
            InvertedResidual(48, 64, 2, 2, nn.SiLU),
            MobileVitBlock(64, 80, 1),
            conv_bn(64, 160, 1, act=nn.SiLU()),
        ),
        160,
        10,
    )


def vit() -> nn.Module:
    return VisionTransformer(patch=4, tokens=64, width=64, depth=3, heads=4, classes=10)


@dataclass(frozen=True)
class Fixture:
    """A network, the shape of its input without the batch, and how its activations are quantized."""

    network: Callable[[], nn.Module]
    shape: tuple[int, ...]
    activations: QuantType


FIXTURES = {
    "resnet8": Fixture(resnet8, (3, 32, 32), QuantType.QInt8),
    "dscnn": Fixture(dscnn, (1, 49, 10), QuantType.QUInt8),
    "mobilenetv1-025-96": Fixture(mobilenetv1, (3, 96, 96), QuantType.QInt8),
    "mobilenetv2-035": Fixture(mobilenetv2, (3, 48, 48), QuantType.QUInt8),
    "autoencoder": Fixture(autoencoder, (640,), QuantType.QInt8),
    "mobilevit-xxs": Fixture(mobilevit, (3, 64, 64), QuantType.QInt8),
    "vit": Fixture(vit, (3, 32, 32), QuantType.QUInt8),
}


def images(name: str, count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Synthetic pictures of ten classes, (count, *shape), values k / 128 in [-1, 1), and their classes."""
    shape = FIXTURES[name].shape
    templates = np.random.default_rng(SEED).normal(0, 1, (10, *shape))
    for axis in range(2, len(shape) + 1):  # smooth over rows and columns
        templates = np.sum([np.roll(templates, shift, axis) for shift in range(-2, 3)], axis=0) / 5**0.5
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count)
    noisy = 0.3 * templates[labels] + 0.15 * rng.normal(size=(count, *shape))
    pixels = np.clip(np.rint(noisy * 128), -128, 127)
    return (pixels / 128).astype(np.float32), labels


def build(name: str, path: Path) -> Path:
    """Write the quantized model ``name`` to ``path``."""
    fixture = FIXTURES[name]
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # sums in a fixed order
    network = fixture.network()
    _train(network, name)
    _fold(network)
    x, _ = images(name, 64, seed=1)
    with tempfile.TemporaryDirectory() as scratch:
        exported, prepared = Path(scratch) / "float.onnx", Path(scratch) / "prepared.onnx"
        _export(network, (1, *fixture.shape), exported)
        quant_pre_process(exported, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            path,
            _Reader(x),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=fixture.activations,
            weight_type=QuantType.QInt8,
        )
    return path


class _Reader(CalibrationDataReader):
    """Hands images to onnxruntime one by one."""

    def __init__(self, x: NDArray[np.float32]) -> None:
        self._batches: Iterator[dict[str, NDArray[np.float32]]] = iter({"input": image[None]} for image in x)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._batches, None)


def _train(network: nn.Module, name: str) -> None:
    """Adam on fresh synthetic batches: classes by cross-entropy, the auto-encoder by its own input."""
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=STEPS)
    network.train()
    for step in range(STEPS):
        x, labels = images(name, BATCH, seed=1000 + step)
        y = network(torch.from_numpy(x))
        if y.shape[1:] == x.shape[1:]:
            loss = nn.functional.mse_loss(y, torch.from_numpy(x))
        else:
            loss = nn.functional.cross_entropy(y, torch.from_numpy(labels) % y.shape[1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    network.eval()


def _fold(network: nn.Module) -> None:
    """Fold BatchNorm into linear layers, as converters do; torch's exporter does it for convolutions only."""
    if isinstance(network, nn.Sequential):
        for i, (linear, norm) in enumerate(pairwise(list(network))):
            if isinstance(linear, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
                network[i], network[i + 1] = fuse_linear_bn_eval(linear, norm), nn.Identity()


def _export(network: nn.Module, shape: tuple[int, ...], path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecation; its successor needs another package
        torch.onnx.export(
            network, (torch.zeros(shape),), str(path), opset_version=17, dynamo=False,
            input_names=["input"], output_names=["output"],
        )  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FIXTURES)}; all by default")
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or FIXTURES:
        print(build(name, arguments.directory / f"{name}.onnx"))


if __name__ == "__main__":
    main()
