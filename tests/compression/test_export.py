# SPDX-License-Identifier: Apache-2.0
"""The exported float model computes what the torch module computes."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from tests.compression.networks import every_block, random_images, random_subnet, residual_hybrid
from tinyformer.compression.export import to_float_onnx
from tinyformer.nets.spec import Activation, weighted_layers


def run(model: onnx.ModelProto, images: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": images.numpy()})[0]


@pytest.mark.parametrize("activation", ["relu", "relu6", "hardswish", "silu"])
@pytest.mark.parametrize("head_width", [0, 32])
def test_outputs_equal_torch(activation: Activation, head_width: int) -> None:
    spec = every_block(activation, head_width)
    subnet = random_subnet(spec)
    images = random_images(5, spec)
    with torch.no_grad():
        expected = subnet(images).numpy()
    exported = run(to_float_onnx(subnet), images)
    assert expected.std() > 0.05
    np.testing.assert_allclose(exported, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation", ["relu", "hardswish"])
def test_outputs_of_residual_blocks_equal_torch(activation: Activation) -> None:
    spec = residual_hybrid(activation)
    subnet = random_subnet(spec)
    images = random_images(5, spec)
    with torch.no_grad():
        expected = subnet(images).numpy()
    np.testing.assert_allclose(run(to_float_onnx(subnet), images), expected, rtol=1e-4, atol=1e-4)


def test_nodes_bear_the_names_of_layers_and_no_batchnorm_is_left() -> None:
    spec = every_block()
    model = to_float_onnx(random_subnet(spec))
    names = {node.name for node in model.graph.node}
    assert {layer.name for layer in weighted_layers(spec)} - {"classifier"} <= names
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert all(node.name == node.output[0] for node in model.graph.node)


def test_zero_weights_stay_zero() -> None:
    spec = every_block()
    subnet = random_subnet(spec)
    name = "stages.0.blocks.0.expand"
    with torch.no_grad():
        subnet.get_parameter(f"{name}.weight")[2:4] = 0
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in to_float_onnx(subnet).graph.initializer}
    assert np.count_nonzero(weights[f"{name}.weight"]) == weights[f"{name}.weight"].size - 2 * spec.stem_width


def test_the_same_network_gives_the_same_bytes() -> None:
    digests = {
        hashlib.sha256(to_float_onnx(random_subnet(every_block())).SerializeToString(deterministic=True)).hexdigest()
        for _ in range(2)
    }
    assert len(digests) == 1
