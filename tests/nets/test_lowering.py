# SPDX-License-Identifier: Apache-2.0
"""Lowering: the very operators that exporting, quantizing and importing the same sub-network yields."""

from __future__ import annotations

import time
from dataclasses import fields

import numpy as np
import pytest
import torch

from tests.nets.kinds import examples
from tinyformer.compression.export import to_float_onnx
from tinyformer.compression.quantize import quantize
from tinyformer.config.quantization import QuantizationConfig
from tinyformer.ir import graph as ir
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.nets.kinds import KINDS
from tinyformer.nets.lowering import lower
from tinyformer.nets.spec import (
    Activation,
    BottleneckBlock,
    ConvBlock,
    InvertedResidual,
    ResidualBlock,
    Skip,
    StageSpec,
    SubnetSpec,
    TransformerBlock,
    weighted_layers,
)
from tinyformer.nets.subnet import Subnet

STRUCTURE = {
    ir.Conv2D: ("stride", "padding", "dilation", "groups"),
    ir.DepthwiseConv2D: ("stride", "padding", "dilation"),
    ir.BatchMatMul: ("batch", "m", "k", "n", "a_strides", "b_strides", "y_strides"),
    ir.AveragePool2D: ("kernel", "stride", "padding"),
}
"""Attributes that are numbers of the shape, not of the weights."""


def network(activation: Activation = "relu", head_width: int = 0, pool: int = 1, channels: int = 1) -> SubnetSpec:
    return SubnetSpec(
        image_size=16,
        channels=channels,
        classes=5,
        activation=activation,
        stem_width=8,
        stem_kernel=3,
        stem_stride=1,
        stages=(
            StageSpec(8, 1, (ConvBlock(3), InvertedResidual(5, 1), Skip())),
            StageSpec(12, 2, (InvertedResidual(3, 4), InvertedResidual(3, 2), TransformerBlock(2, 2, 4, 2.0, pool))),
            StageSpec(16, 2, (ConvBlock(1), TransformerBlock(1, 1, 8, 1.0, 1), TransformerBlock(1, 3, 4, 1.5, 2))),
        ),
        head_width=head_width,
    )


def residual_network(activation: Activation) -> SubnetSpec:
    return SubnetSpec(
        image_size=16,
        channels=3,
        classes=5,
        activation=activation,
        stem_width=8,
        stem_kernel=3,
        stem_stride=1,
        stages=(
            StageSpec(8, 1, (ResidualBlock(3, 1.0), ResidualBlock(3, 0.5), Skip())),
            StageSpec(16, 2, (ResidualBlock(5, 0.5), TransformerBlock(1, 2, 4, 1.0, 4)), "maxpool"),
            StageSpec(24, 2, (BottleneckBlock(3, 0.5), BottleneckBlock(3, 0.25), InvertedResidual(3, 2))),
            StageSpec(24, 2, (ConvBlock(3),), "maxpool"),
        ),
        head_width=0,
    )


NETWORKS = [
    residual_network("relu"),
    residual_network("hardswish"),
    network(),
    network("relu6", head_width=24, channels=3),
    network("silu", pool=2),
    network("hardswish", pool=4),
]


def imported(spec: SubnetSpec) -> ir.Graph:
    torch.manual_seed(0)
    subnet = Subnet(spec).eval()
    images = np.random.default_rng(0).uniform(-1, 1, (8, spec.channels, 16, 16)).astype(np.float32)
    return import_onnx(quantize(to_float_onnx(subnet), images, QuantizationConfig()))


def structure(graph: ir.Graph) -> list[tuple]:
    """Operators by type, shape and attributes; tensors by the number of the operator that makes them."""
    number = {graph.input: -1} | {op.output: i for i, op in enumerate(graph.ops)}
    return [
        (
            type(op).__name__,
            tuple(number[name] for name in op.inputs),
            graph.tensors[op.output].shape,
            tuple((name, getattr(op, name)) for name in STRUCTURE.get(type(op), ())),
            tuple(
                (field.name, value.shape, value.dtype.str)
                for field in fields(op)
                if isinstance(value := getattr(op, field.name), np.ndarray)
            ),
        )
        for op in graph.ops
    ]


def of_kind(kind: str) -> SubnetSpec:
    """First in their stages where they may be, strided and pooled, and behind another block."""
    small, middle, large = examples(kind)
    first = (small if small.first else ConvBlock(3), large)
    stages = (StageSpec(8, 2, first), StageSpec(12, 2, (middle if small.first else ConvBlock(1), small), "maxpool"))
    return SubnetSpec(16, 3, 5, "silu", 8, 3, 1, stages, 0)


@pytest.mark.parametrize("spec", [*NETWORKS, *map(of_kind, KINDS)])
def test_structure_equals_the_imported_model(spec):
    ours, theirs = lower(spec), imported(spec)
    assert [type(op).__name__ for op in ours.ops] == [type(op).__name__ for op in theirs.ops]
    for mine, other in zip(structure(ours), structure(theirs), strict=True):
        assert mine == other
    assert ours.tensors[ours.input].shape == theirs.tensors[theirs.input].shape
    assert ours.tensors[ours.outputs[0]].shape == theirs.tensors[theirs.outputs[0]].shape
    assert lower(spec).outputs == (lower(spec).ops[-1].output,)


@pytest.mark.parametrize("spec", [*NETWORKS, *map(of_kind, KINDS)])
def test_weighted_operators_bear_their_layers_names_and_shapes(spec):
    graph = lower(spec)
    ops = {op.name: op for op in graph.ops}
    for layer in weighted_layers(spec):
        op = ops[layer.name]
        positions = int(np.prod(graph.tensors[op.output].shape[:-1]))
        assert (op.weights.size, positions) == (layer.weights, layer.positions)


def test_lowering_takes_less_than_two_milliseconds():
    spec = network("silu", pool=2)
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        lower(spec)
        times.append(time.perf_counter() - begin)
    assert min(times) < 2e-3
