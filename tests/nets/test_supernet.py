# SPDX-License-Identifier: Apache-2.0
"""Weight sharing: a path, and the network extracted from it, are one computation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nets.spaces import supernet_specs
from tests.nets.test_supernet_spec import SMALL
from tinyformer.errors import TinyFormerError
from tinyformer.nets.blocks import initialize
from tinyformer.nets.spec import TransformerBlock, weighted_layers
from tinyformer.nets.subnet import Subnet, recalibrate_batchnorm
from tinyformer.nets.supernet import Supernet, extract
from tinyformer.nets.supernet_spec import InvertedResidualChoices, StageChoices, SupernetSpec, TransformerChoices

FORMATS = st.sampled_from([torch.contiguous_format, torch.channels_last])


def lively_supernet(spec: SupernetSpec, seed: int) -> Supernet:
    """Initialized, and with norms, biases and statistics that are not the identity."""
    generator = torch.Generator().manual_seed(seed)
    supernet = Supernet(spec)
    initialize(supernet, generator)
    with torch.no_grad():
        for name, tensor in supernet.state_dict().items():
            if tensor.ndim == 1:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + (0.5 if "var" in name else 0.0))
    return supernet


def images(spec: SupernetSpec, count: int, seed: int = 0) -> torch.Tensor:
    shape = (count, spec.channels, spec.image_size, spec.image_size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(supernet_specs(), st.integers(0, 999), FORMATS, st.booleans())
@settings(max_examples=80, deadline=None)
def test_extracted_outputs_equal_the_path_to_the_bit(
    space: SupernetSpec, seed: int, memory_format: torch.memory_format, train: bool
) -> None:
    supernet = lively_supernet(space, seed).train(train)
    path = space.sample(np.random.default_rng(seed))
    x = images(space, 3).to(memory_format=memory_format)
    subnet = extract(supernet, path)
    assert subnet.training == train
    shared, own = supernet(x, path), subnet(x)
    assert shared.shape == (3, space.classes)
    assert torch.equal(shared, own)
    # In training mode both have moved their statistics alike; elsewhere the extracted weights are copies.
    for name, tensor in subnet.state_dict().items():
        assert torch.equal(tensor, supernet.slices(path)[name]), name


@given(supernet_specs(), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_gradients_reach_the_shared_weights(space: SupernetSpec, seed: int) -> None:
    """The gradient of a path, scattered into the shared weights, is the extracted network's."""
    supernet = lively_supernet(space, seed)
    path = space.sample(np.random.default_rng(seed))
    subnet = extract(supernet, path)
    x = images(space, 3)
    supernet(x, path).square().sum().backward()
    subnet(x).square().sum().backward()
    shared = dict(supernet.named_parameters())
    for name, parameter in subnet.named_parameters():
        assert parameter.grad is not None and shared[name].grad is not None
        assert torch.isclose(shared[name].grad.norm(), parameter.grad.norm(), rtol=1e-4, atol=1e-6), name
    untouched = set(shared) - {name for name, _ in subnet.named_parameters()}
    assert all(shared[name].grad is None for name in untouched)


@given(supernet_specs(), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_parameters_bear_the_names_and_shapes_of_the_specification(space: SupernetSpec, seed: int) -> None:
    path = space.sample(np.random.default_rng(seed))
    parameters = dict(Subnet(path).named_parameters())
    layers = weighted_layers(path)
    assert {layer.name: layer.shape for layer in layers} == {
        name.removesuffix(".weight"): tuple(tensor.shape) for name, tensor in parameters.items() if tensor.ndim > 1
    }


def test_slices_are_leading_channels_leading_heads_and_central_taps() -> None:
    position = (InvertedResidualChoices((3, 5), (2, 3)),)
    attention = (TransformerChoices((1, 2), (2, 3), (4, 6), (1.0, 2.0), (1,)),)
    space = SupernetSpec(8, 1, 2, "relu", (4, 8), 3, 1, (StageChoices((8, 12), 1, (position, attention)),))
    supernet = lively_supernet(space, 0)
    shared, small = supernet.state_dict(), supernet.slices(space.smallest())
    prefix = "stages.0.blocks"
    assert torch.equal(small[f"{prefix}.0.depthwise.weight"], shared[f"{prefix}.0.depthwise.weight"][:8, :, 1:4, 1:4])
    assert torch.equal(small[f"{prefix}.0.project.weight"], shared[f"{prefix}.0.project.weight"][:8, :8])
    rows = [0, 1, 2, 3, 6, 7, 8, 9]  # four of the six channels of each of the first two heads
    layer = f"{prefix}.1.layers.0"
    assert torch.equal(small[f"{layer}.q.weight"], shared[f"{layer}.q.weight"][rows, :8])
    assert torch.equal(small[f"{layer}.v.bias"], shared[f"{layer}.v.bias"][rows])
    assert torch.equal(small[f"{layer}.proj.weight"], shared[f"{layer}.proj.weight"][:8, rows])
    assert torch.equal(small[f"{layer}.proj.bias"], shared[f"{layer}.proj.bias"][:8])
    assert torch.equal(small[f"{layer}.fc1.weight"], shared[f"{layer}.fc1.weight"][:8, :8])
    assert not any(".layers.1." in name for name in small)


def test_a_foreign_path_is_refused() -> None:
    block = SMALL.largest().stages[0].blocks[1]
    assert isinstance(block, TransformerBlock)
    other = SupernetSpec.from_dict({**SMALL.to_dict(), "activation": "silu"}).largest()
    with pytest.raises(TinyFormerError, match="does not belong"):
        Supernet(SMALL)(images(SMALL, 1), other)


def test_initialization_depends_on_the_generator_alone() -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        supernet = Supernet(SMALL)
        initialize(supernet, torch.Generator().manual_seed(seed))
        return list(supernet.state_dict().values())

    assert all(map(torch.equal, weights(1), weights(1)))
    assert not all(map(torch.equal, weights(1), weights(2)))


def test_initial_activations_keep_their_scale() -> None:
    """He and Glorot: without BatchNorm's help no layer's output vanishes or explodes."""
    subnet = Subnet(SMALL.largest())
    initialize(subnet, torch.Generator().manual_seed(0))
    deviations = []
    for module in subnet.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(
                lambda _module, _inputs, output: deviations.append(float(output.detach().std()))
            )
    subnet(images(SMALL, 16))
    assert all(0.2 < deviation < 5 for deviation in deviations)


def test_recalibration_averages_over_the_batches() -> None:
    subnet = extract(lively_supernet(SMALL, 0), SMALL.largest()).eval()
    batches = [images(SMALL, 8, seed) * (seed + 1) for seed in range(3)]
    modes = [module.training for module in subnet.modules()]
    weights = {name: tensor.clone() for name, tensor in subnet.named_parameters()}
    recalibrate_batchnorm(subnet, batches)
    outputs = [subnet.stem.conv(batch) for batch in batches]
    mean = torch.stack([output.mean(dim=(0, 2, 3)) for output in outputs]).mean(0)
    variance = torch.stack([output.var(dim=(0, 2, 3)) for output in outputs]).mean(0)
    torch.testing.assert_close(subnet.stem.conv_bn.running_mean, mean)
    torch.testing.assert_close(subnet.stem.conv_bn.running_var, variance)
    assert [module.training for module in subnet.modules()] == modes
    assert subnet.stem.conv_bn.momentum == 0.1
    assert all(torch.equal(weights[name], tensor) for name, tensor in subnet.named_parameters())
