# SPDX-License-Identifier: Apache-2.0
"""Post-training quantization of any float ONNX model to INT8: QuantizeLinear/DequantizeLinear around every operator.

Activations are asymmetric with one scale a tensor, weights symmetric with one scale an output channel, biases int32
with the scale of the accumulator. Zero weights stay zero, so that block sparsity survives. docs/quantization.md has the
rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from tinyformer.compression.calibration import observe
from tinyformer.compression.float_graph import FloatGraph, prepare
from tinyformer.compression.groups import Group, partition
from tinyformer.compression.qdq import QdqWriter
from tinyformer.compression.ranges import PIXEL, Range, Statistics, choose_range
from tinyformer.compression.scales import SharedScales
from tinyformer.compression.weights import LinearLayer, corrected_bias, linear_layer, quantize_layer
from tinyformer.config.quantization import QuantizationConfig
from tinyformer.ir.lowering.function import Scale
from tinyformer.ir.quantization import Quantization


def quantize(
    model: onnx.ModelProto,
    calibration_images: NDArray[np.float32],
    config: QuantizationConfig,
    ranges: Mapping[str, Range] | None = None,
) -> onnx.ModelProto:
    """``model`` in INT8: QDQ, opset 17 or newer, the same bytes for the same arguments.

    Args:
        model: float, one input; from anywhere (docs/quantization.md lists the operators).
        calibration_images: (N, C, H, W), as the network sees them.
        config: how ranges are chosen.
        ranges: ranges by tensor name that are known already, e.g. from quantization-aware training.

    Raises:
        TinyFormerError: an operator without INT8 form (named), images of another shape, infinite activations.
    """
    graph = prepare(model)
    plan = plan_quantization(graph, calibration_images, config)
    chosen = plan.ranges | {name: limits for name, limits in (ranges or {}).items() if name in plan.ranges}
    activations = [graph.input.name, *(group.output for group in plan.groups)]
    scales = plan.shared.resolve(chosen, activations)
    return _write(graph, plan, scales, with_correction=config.bias_correction)


@dataclass(frozen=True)
class Plan:
    """Where a graph is quantized, and the ranges that its activations have on the calibration images."""

    groups: list[Group]
    shared: SharedScales
    layers: dict[str, LinearLayer]
    """Weighted groups by their output."""
    seen: dict[str, Statistics]
    ranges: dict[str, Range]
    fixed: dict[str, Quantization]
    """Activations whose scale does not depend on what was observed."""


def plan_quantization(graph: FloatGraph, calibration_images: NDArray[np.float32], config: QuantizationConfig) -> Plan:
    """Partition ``graph`` and choose ranges on ``calibration_images``. Raises as :func:`quantize`."""
    groups = partition(graph)
    shared = SharedScales(groups, {graph.input.name: PIXEL} if config.input == "pixel" else {})
    layers = {group.output: linear_layer(group, graph) for group in groups if group.scale is Scale.WEIGHTED}
    seen = _observe(graph, shared, layers, calibration_images, config)
    ranges = {name: choose_range(seen[name], config.observer, config.percentile) for name in shared.observed}
    return Plan(groups, shared, layers, seen, ranges, shared.given)


def _observe(
    graph: FloatGraph,
    shared: SharedScales,
    layers: Mapping[str, LinearLayer],
    images: NDArray[np.float32],
    config: QuantizationConfig,
) -> dict[str, Statistics]:
    axes = {layer.source: layer.channel_axis for layer in layers.values()} if config.bias_correction else {}
    return observe(
        graph.model(),
        list(dict.fromkeys([*shared.observed, *axes])),
        images[: config.calibration_images],
        config.batch_size,
        histograms=config.observer != "minmax",
        channel_axes=axes,
    )


def _write(
    graph: FloatGraph, plan: Plan, scales: Mapping[str, Quantization], *, with_correction: bool
) -> onnx.ModelProto:
    writer = QdqWriter(graph, scales)
    for group in plan.groups:
        layer = plan.layers.get(group.output)
        if layer is None:
            writer.group(group)
            continue
        integers = quantize_layer(layer, scales[layer.source].scale, scales[group.output].scale)
        means = plan.seen[layer.source].channel_means if with_correction else None
        if means is not None:
            integers = corrected_bias(layer, integers, means)
        writer.weighted_group(group, layer, integers)
    return writer.model()
