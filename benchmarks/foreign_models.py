# SPDX-License-Identifier: Apache-2.0
"""Small networks by torch, exported and quantized by other tools, in the many forms that these write.

Every model is one network (:data:`NETWORKS`), exported by torch in one operator set and quantized by onnxruntime with
one set of options (:data:`OPTIONS`). Weights are random; BatchNorm has the statistics of random images.
"""

from __future__ import annotations

import itertools
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn
from torch.nn import functional as F

OPSETS = (11, 12, 13, 14, 15, 16, 17, 18, 20)


class Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.inner(x))


def _block(
    inputs: int, outputs: int, stride: int = 1, groups: int = 1, act: type[nn.Module] = nn.ReLU
) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), act())


def _head(width: int, classes: int = 10) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]


class SqueezeExcite(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(width, 4, 1), nn.Conv2d(4, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.up(F.relu(self.down(x.mean((2, 3), keepdim=True))))
        return x * F.hardsigmoid(gate)


class Shuffle(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, t, c = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(n, t, c))


class Encoder(nn.Module):
    def __init__(self, width: int = 16, heads: int = 2) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 32), nn.GELU(), nn.Linear(32, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.first(x))
        return x + self.mlp(self.second(x))


class VisionTransformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, 4)
        self.token, self.position = nn.Parameter(torch.randn(1, 1, 16)), nn.Parameter(torch.randn(1, 17, 16) * 0.3)
        self.body, self.norm, self.head = Encoder(), nn.LayerNorm(16), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        return self.head(self.norm(self.body(x))[:, 0])


class Unet(nn.Module):
    def __init__(self, transposed: bool) -> None:
        super().__init__()
        self.transposed = transposed
        self.enter, self.down, self.middle = _block(3, 8), _block(8, 16, 2), _block(16, 16)
        self.up = nn.ConvTranspose2d(16, 8, 2, 2) if transposed else nn.Conv2d(16, 8, 1)
        self.leave = nn.Conv2d(16, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.enter(x)
        b = self.up(self.middle(self.down(a)))
        if not self.transposed:
            b = F.interpolate(b, scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.leave(torch.cat([a, b], 1))


class Mixer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, 4)
        self.first, self.second = nn.LayerNorm(16), nn.LayerNorm(16)
        self.tokens = nn.Sequential(nn.Linear(16, 24), nn.GELU(), nn.Linear(24, 16))
        self.channels = nn.Sequential(nn.Linear(16, 24), nn.SiLU(), nn.Linear(24, 16))
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = x + self.tokens(self.first(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.channels(self.second(x))
        return self.head(x.mean(1))


class ConvNext(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.depthwise = nn.Conv2d(3, 12, 4, 4), nn.Conv2d(12, 12, 7, padding=3, groups=12)
        self.norm, self.mlp = nn.LayerNorm(12), nn.Sequential(nn.Linear(12, 32), nn.GELU(), nn.Linear(32, 12))
        self.scale, self.head = nn.Parameter(torch.ones(12) * 0.5), nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.mlp(self.norm(self.depthwise(x).permute(0, 2, 3, 1))) * self.scale
        return self.head((x + y.permute(0, 3, 1, 2)).mean((2, 3)))


def _temporal() -> nn.Module:
    layers: list[nn.Module] = []
    for dilation in (1, 2, 4):
        layers += [nn.ConstantPad1d((2 * dilation, 0), 0.0), nn.Conv1d(8, 8, 3, dilation=dilation), nn.ELU()]
    return nn.Sequential(nn.Conv1d(10, 8, 1), *layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 4))


def _detector() -> nn.Module:
    parts: list[nn.Module] = [_block(3, 8, 2, act=nn.SiLU), _block(8, 16, 2, act=nn.SiLU)]
    return nn.Sequential(
        *parts, nn.Upsample(scale_factor=2), nn.Conv2d(16, 8, 1), nn.LeakyReLU(0.1), nn.Conv2d(8, 6, 1)
    )


Shape = tuple[int, ...]
IMAGE: Shape = (3, 16, 16)

NETWORKS: Mapping[str, tuple[Callable[[], nn.Module], Shape]] = {
    "plain": (lambda: nn.Sequential(_block(3, 8), nn.MaxPool2d(2), _block(8, 16), *_head(16)), IMAGE),
    "residual": (lambda: nn.Sequential(_block(3, 8, 2), Residual(nn.Sequential(_block(8, 8), nn.Conv2d(8, 8, 3, 1, 1))),
                                       *_head(8)), IMAGE),
    "mobile": (lambda: nn.Sequential(_block(3, 8, 2, act=nn.ReLU6), _block(8, 8, 1, 8, nn.ReLU6), nn.Conv2d(8, 16, 1),
                                     nn.BatchNorm2d(16), nn.ReLU6(), *_head(16)), IMAGE),
    "hard swish": (lambda: nn.Sequential(_block(3, 8, 2, act=nn.Hardswish), SqueezeExcite(8), _block(8, 16),
                                         *_head(16)), IMAGE),
    "shuffle": (lambda: nn.Sequential(_block(3, 8), Shuffle(), nn.Conv2d(8, 8, 1, groups=2), nn.PReLU(8), Shuffle(),
                                      *_head(8)), IMAGE),
    "transformer": (VisionTransformer, IMAGE),
    "mixer": (Mixer, IMAGE),
    "next": (ConvNext, IMAGE),
    "segmenting": (lambda: Unet(False), IMAGE),
    "transposed": (lambda: Unet(True), IMAGE),
    "temporal": (_temporal, (10, 24)),
    "detector": (_detector, IMAGE),
    "dense": (lambda: nn.Sequential(nn.Linear(24, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 32), nn.Tanh(),
                                    nn.Linear(32, 24)), (24,)),
    "sequence": (lambda: nn.Sequential(nn.Linear(10, 16), Encoder(), nn.Linear(16, 4)), (12, 10)),
}  # fmt: skip
"""A builder and the shape of an image, without its batch."""


@dataclass(frozen=True)
class Options:
    """Arguments of onnxruntime's ``quantize_static``; ``prepare`` runs its preprocessing first."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    prepare: bool = False


_INT8 = {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8}

OPTIONS: Mapping[str, Options] = {
    "defaults": Options({}, prepare=True),
    "int8": Options(_INT8),
    "per channel": Options({**_INT8, "per_channel": True}, prepare=True),
    "uint8 weights": Options({"activation_type": QuantType.QUInt8, "weight_type": QuantType.QUInt8}),
    "asymmetric weights": Options(_INT8, {"WeightSymmetric": False}),
    "symmetric activations": Options({**_INT8, "per_channel": True}, {"ActivationSymmetric": True}),
    "reduced range": Options({**_INT8, "per_channel": True, "reduce_range": True}),
    "a pair for each reader": Options(_INT8, {"DedicatedQDQPair": True}),
    "removable activations": Options({**_INT8, "per_channel": True}, {"QDQKeepRemovableActivations": True}),
    "weights in pairs": Options(_INT8, {"AddQDQPairToWeight": True}),
    "float biases": Options({**_INT8, "per_channel": True}, {"QuantizeBias": False}),
    "percentiles": Options({**_INT8, "calibrate_method": CalibrationMethod.Percentile}, prepare=True),
    "layers only": Options({**_INT8, "op_types_to_quantize": ["Conv", "MatMul", "Gemm", "ConvTranspose"]}),
    "no output": Options({**_INT8, "per_channel": True}, {"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]}),
}
"""Sets of options by name."""


class _Images(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, images: np.ndarray) -> None:
        self._images = iter([{"x": image[None]} for image in images])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._images, None)


def images(shape: Shape, count: int = 32) -> np.ndarray:
    """Smooth random images."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(count, *shape))
    for axis in range(2, values.ndim):
        values = (values + np.roll(values, 1, axis)) / np.sqrt(2)
    return values.astype(np.float32)


def network(name: str) -> nn.Module:
    """A network of :data:`NETWORKS` whose BatchNorm has seen images."""
    torch.manual_seed(0)
    build, shape = NETWORKS[name]
    module = build()
    with torch.no_grad():
        for _ in range(3):
            module(torch.from_numpy(images(shape)))
    return module.eval()


def write(name: str, opset: int, options: str, path: Path) -> Path:
    """Export and quantize a network to ``path``."""
    shape, chosen = NETWORKS[name][1], OPTIONS[options]
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = Path(scratch) / "float.onnx"
        torch.onnx.export(
            network(name), (torch.zeros(1, *shape),), str(exported), opset_version=opset, input_names=["x"],
            output_names=["y"], dynamo=False, dynamic_axes={"x": {0: "batch"}} if opset % 2 else None,
        )  # fmt: skip
        source = exported
        if chosen.prepare:
            source = Path(scratch) / "prepared.onnx"
            quant_pre_process(str(exported), str(source), skip_symbolic_shape=True)
        quantize_static(
            str(source), str(path), _Images(images(shape)), quant_format=QuantFormat.QDQ,
            extra_options=dict(chosen.extra), **chosen.arguments,
        )  # fmt: skip
    return path


def combinations() -> Iterator[tuple[str, int, str]]:
    """(network, operator set, options): every network with every third of the options, in all operator sets."""
    opsets = itertools.cycle(OPSETS)
    for i, name in enumerate(NETWORKS):
        for j, options in enumerate(OPTIONS):
            if (i + j) % 2 == 0:
                yield name, next(opsets), options
