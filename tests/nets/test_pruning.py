# SPDX-License-Identifier: Apache-2.0
"""Block pruning: exact ratios, the least important blocks, the same blocks as the compiler's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyformer.errors import TinyFormerError
from tinyformer.ir.blocks import to_blocks
from tinyformer.nets.plan_counts import planned_sparsity, total_blocks, zero_blocks, zero_weights
from tinyformer.nets.pruning import apply_masks, block_sparsity, make_masks, verify_plan
from tinyformer.nets.spec import ConvBlock, LayerSparsity, StageSpec, SubnetSpec, weighted_layers

SPEC = SubnetSpec(
    image_size=8, channels=1, classes=10, activation="relu", stem_width=8, stem_kernel=3, stem_stride=1,
    stages=(StageSpec(12, 1, (ConvBlock(3),)), StageSpec(16, 2, (ConvBlock(1), ConvBlock(3)))), head_width=0,
)  # fmt: skip

shapes = st.one_of(
    st.tuples(st.integers(1, 13), st.integers(1, 13)),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3), st.just(3)),
)
blocks = st.sampled_from([(1, 2), (1, 4), (2, 2), (2, 4), (4, 2), (4, 4)])


def state_of(spec: SubnetSpec) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {f"{layer.name}.weight": torch.randn(layer.shape, generator=generator) for layer in weighted_layers(spec)}


@settings(deadline=None)
@given(shapes, blocks, st.floats(0.01, 0.97), st.integers(0, 10))
def test_mask_removes_exactly_the_promised_blocks(shape, block, ratio, seed):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    sparsity = LayerSparsity(block, ratio)
    mask = make_masks({"layer.weight": weight}, {"layer": sparsity}, "l2")["layer"]
    pruned = (weight * mask).reshape(*shape[:2], -1).permute(0, 2, 1).numpy()
    found = to_blocks(pruned, block)
    assert found.shape[0] * found.shape[1] * found.shape[2] == total_blocks(shape, block)
    real = to_blocks(np.ones(pruned.shape), block).any(axis=(-2, -1))
    zero = ~found.any(axis=(-2, -1))
    # Blocks made of padding alone are zero anyway; they are removed first since they matter least.
    assert np.count_nonzero(zero) == max(zero_blocks(shape, sparsity), np.count_nonzero(~real))
    assert int((~mask).sum()) >= zero_weights(shape, sparsity)
    assert mask.dtype == torch.bool and mask.shape == weight.shape


def test_zero_weights_is_exact_where_blocks_divide_the_shape():
    sparsity = LayerSparsity((2, 4), 0.3)
    weight = torch.randn(8, 8, 3, 3)
    mask = make_masks({"a.weight": weight}, {"a": sparsity}, "l2")["a"]
    assert int((~mask).sum()) == zero_weights((8, 8, 3, 3), sparsity)


def test_every_block_row_keeps_one_block_while_enough_are_left():
    weight = torch.ones(8, 16)
    weight[4:] *= 1e-3
    mask = make_masks({"a.weight": weight}, {"a": LayerSparsity((2, 2), 0.875)}, "l2")["a"]
    assert int(mask.sum()) == 16
    assert mask.reshape(4, 32).any(dim=1).all()


def test_keeps_the_blocks_of_largest_norm():
    weight = torch.full((4, 4), 0.1)
    weight[:2, [1, 3]] = weight[2:, [0, 2]] = 5.0  # inputs 1 and 3 are a pair: a block
    mask = make_masks({"a.weight": weight}, {"a": LayerSparsity((2, 2), 0.5)}, "l2")["a"]
    assert torch.equal(mask, weight == 5.0)


def test_normalized_criterion_spares_outputs_of_small_scale():
    weight = torch.ones(4, 8)
    weight[:2] *= 1e-3
    weight[:, 4:] *= 0.5
    weight[:2, [0, 2]] *= 1.1
    plan = {"a": LayerSparsity((2, 2), 0.5)}
    by_norm = make_masks({"a.weight": weight}, plan, "l2")["a"]
    normalized = make_masks({"a.weight": weight}, plan, "normalized")["a"]
    assert int(by_norm[:2].sum()) == 4
    assert normalized[:, :4].all() and not normalized[:, 4:].any()


def test_taylor_criterion_keeps_what_moves_the_loss():
    weight, gradient = torch.ones(4, 4), torch.zeros(4, 4)
    gradient[:2, [0, 2]] = gradient[2:, [0, 2]] = 3.0
    plan = {"a": LayerSparsity((2, 2), 0.5)}
    mask = make_masks({"a.weight": weight}, plan, "taylor", {"a.weight": gradient})["a"]
    assert torch.equal(mask, gradient != 0)


def test_measured_sparsity_equals_the_plan_and_verifies():
    state = state_of(SPEC)
    plan = {
        "stages.0.blocks.0.conv": LayerSparsity((2, 2), 0.5),
        "stages.1.blocks.1.conv": LayerSparsity((1, 4), 0.8),
    }
    for layer, mask in make_masks(state, plan, "normalized").items():
        state[f"{layer}.weight"] = state[f"{layer}.weight"] * mask
    assert block_sparsity(state, SPEC, plan) == pytest.approx(planned_sparsity(SPEC, plan), abs=1e-12)
    verify_plan(state, plan)
    state["stages.0.blocks.0.conv.weight"] += 1.0
    with pytest.raises(TinyFormerError, match=r"stages\.0\.blocks\.0\.conv.*changed after pruning"):
        verify_plan(state, plan)


def test_apply_masks_zeroes_the_model_in_place():
    model = torch.nn.Sequential(torch.nn.Linear(8, 8))
    masks = make_masks(model.state_dict(), {"0": LayerSparsity((2, 2), 0.5)}, "l2")
    apply_masks(model, masks)
    assert torch.equal(model[0].weight != 0, masks["0"])


def test_unknown_layer_is_named():
    with pytest.raises(TinyFormerError, match="'nowhere'"):
        make_masks(state_of(SPEC), {"nowhere": LayerSparsity((2, 2), 0.5)}, "l2")
