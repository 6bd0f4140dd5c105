# SPDX-License-Identifier: Apache-2.0
"""INT8 models: every activation is INT8, weights keep their zeros, outputs stay close, bytes stay the same."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from tests.compression.networks import every_block, random_images, random_subnet
from tinyformer.compression.export import to_float_onnx
from tinyformer.compression.onnx_runs import accuracy, logits, signal_to_noise
from tinyformer.compression.quantize import quantize
from tinyformer.config.quantization import QuantizationConfig
from tinyformer.nets.spec import Activation

QDQ = {"QuantizeLinear", "DequantizeLinear"}
ISLANDS = [
    ["Conv"], ["Conv", "Relu"], ["Conv", "Clip"], ["Add"], ["MatMul"], ["MatMul", "Add"], ["Gemm"], ["Reshape"],
    ["LayerNormalization"], ["Softmax"], ["Gelu"], ["HardSwish"], ["Sigmoid", "Mul"], ["AveragePool"],
    ["GlobalAveragePool"], ["Transpose"],
]  # fmt: skip
"""What may be computed in float between two quantizations."""


@cache
def models(activation: Activation = "silu") -> tuple[onnx.ModelProto, onnx.ModelProto, np.ndarray]:
    """A float model with a zeroed block, its INT8 form, and the calibration images."""
    spec = every_block(activation)
    subnet = random_subnet(spec)
    with torch.no_grad():
        subnet.get_parameter("stages.0.blocks.0.expand.weight")[4:6] = 0
        subnet.get_parameter("stages.1.blocks.1.layers.0.fc1.weight")[:, 8:12] = 0
    images = random_images(48, spec).numpy()
    model = to_float_onnx(subnet)
    return model, quantize(model, images, QuantizationConfig()), images


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.mark.parametrize("activation", ["relu", "relu6", "hardswish", "silu"])
def test_every_activation_is_int8(activation: Activation) -> None:
    _, model, _ = models(activation)
    producers = {name: node for node in model.graph.node for name in node.output}
    known = constants(model)
    covered = set()
    for quantizer in (node for node in model.graph.node if node.op_type == "QuantizeLinear"):
        assert known[quantizer.input[2]].dtype == np.int8
        assert known[quantizer.input[1]].shape == ()
        island, pending = [], [quantizer.input[0]]
        while pending:
            node = producers.get(pending.pop())
            if node is not None and node.op_type != "DequantizeLinear" and node not in island:
                island.append(node)
                pending.extend(name for name in node.input if name not in known)
        assert [node.op_type for node in reversed(island)] in [[], *ISLANDS]
        covered.update(node.name for node in island)
    assert covered == {node.name for node in model.graph.node if node.op_type not in QDQ}
    assert all(producers[output.name].op_type == "DequantizeLinear" for output in model.graph.output)
    assert {name.rsplit(".", 1)[-1] for name, value in known.items() if value.dtype == np.float32 and value.ndim} <= {
        "scale", "weight", "bias"
    }  # fmt: skip


def test_the_input_is_the_pixel_minus_128_and_probabilities_fill_the_range() -> None:
    known = constants(models()[1])
    assert (known["input.scale"], known["input.zero_point"]) == (1 / 128, 0)
    softmax = [name for name in known if name.endswith("softmax.scale")]
    assert len(softmax) == 3
    for name in softmax:
        assert known[name] == 1 / 256
        assert known[name.replace("scale", "zero_point")] == -128


def test_rectified_activations_use_the_whole_range_above_zero() -> None:
    known = constants(models("relu6")[1])
    rectified = [value for name, value in known.items() if name.endswith("relu6.zero_point")]
    assert rectified
    assert all(value == -128 for value in rectified)


def test_weights_are_symmetric_by_channel_and_biases_have_the_accumulators_scale() -> None:
    model, quantized, _ = models()
    exact, known = constants(model), constants(quantized)
    producers = {name: node for node in quantized.graph.node for name in node.output}
    for node in quantized.graph.node:
        if node.op_type != "Conv":
            continue
        x, weight, bias = (producers[name] for name in node.input)
        values, scale, zero_point = (known[name] for name in weight.input)
        assert values.dtype == np.int8
        assert values.min() >= -127
        assert not zero_point.any()
        assert weight.attribute[0].i == 0
        assert scale.shape == (len(values),)
        original = exact[weight.input[0].removesuffix(".int8")]
        error = np.abs(values * scale[:, None, None, None] - original)
        assert (error <= scale[:, None, None, None] * 0.5001).all()
        assert known[bias.input[0]].dtype == np.int32
        np.testing.assert_array_equal(known[bias.input[1]], known[x.input[1]] * scale)


def test_zero_weights_stay_zero() -> None:
    model, quantized, _ = models()
    known = constants(quantized)
    for name, weight in constants(model).items():
        if f"{name}.int8" in known:
            assert not known[f"{name}.int8"][weight == 0].any()
    assert not known["stages.0.blocks.0.expand.weight.int8"][4:6].any()
    assert not known["stages.1.blocks.1.layers.0.fc1.weight.int8"][8:12].any()


def test_channels_of_mere_bias_keep_their_bias() -> None:
    """A channel without weights outputs its bias to within half a step."""
    model, quantized, images = models()
    name = "stages.0.blocks.0.expand"
    ratios = signal_to_noise(model, quantized, images)
    assert ratios[name] > 35
    known = constants(quantized)
    bias = known[f"{name}.bias.int32"] * known[f"{name}.bias.scale"]
    np.testing.assert_allclose(bias[4:6], constants(model)[f"{name}.bias"][4:6], atol=known[f"{name}.scale"] / 2**10)


@pytest.mark.parametrize("kind", ["Reshape", "Transpose"])
def test_moving_values_keeps_their_scale(kind: str) -> None:
    _, quantized, _ = models()
    known = constants(quantized)
    producers = {name: node for node in quantized.graph.node for name in node.output}
    moves = [node for node in quantized.graph.node if node.op_type == kind]
    assert moves
    for node in moves:
        before = producers[node.input[0]]
        after = next(other for other in quantized.graph.node if node.output[0] in other.input)
        assert [known[name] for name in before.input[1:]] == [known[name] for name in after.input[1:]]


@pytest.mark.parametrize("activation", ["relu", "relu6", "hardswish", "silu"])
@pytest.mark.parametrize("observer", ["minmax", "percentile", "mse"])
def test_outputs_stay_close(activation: Activation, observer: str) -> None:
    model, _, images = models(activation)
    quantized = quantize(model, images, QuantizationConfig(observer=observer))
    ratios = signal_to_noise(model, quantized, images)
    assert next(iter(ratios)) == "input"
    assert list(ratios)[-1] == "logits"
    assert ratios["input"] > 100
    assert min(ratios.values()) > 20
    assert ratios["logits"] > 38
    labels = logits(model, images).argmax(axis=1)
    assert accuracy(quantized, images, labels) > 0.95


def test_bias_correction_removes_the_mean_error_of_rounded_weights() -> None:
    model, _, images = models("relu")
    exact = logits(model, images).mean(axis=0)
    errors = {
        corrected: np.abs(
            logits(quantize(model, images, QuantizationConfig(bias_correction=corrected)), images).mean(axis=0) - exact
        ).mean()
        for corrected in (False, True)
    }
    assert errors[True] < errors[False]


def test_given_ranges_are_used() -> None:
    model, _, images = models()
    name = "stages.0.blocks.0.project"
    known = constants(quantize(model, images, QuantizationConfig(), ranges={name: (-3.0, 2.1)}))
    assert known[f"{name}.scale"] == np.float32(5.1 / 255)
    assert known[f"{name}.zero_point"] == round(-128 + 3.0 / (5.1 / 255))


def test_the_same_model_gives_the_same_bytes() -> None:
    model, quantized, images = models()
    again = quantize(model, images, QuantizationConfig())
    digests = {hashlib.sha256(m.SerializeToString(deterministic=True)).hexdigest() for m in (quantized, again)}
    assert len(digests) == 1
