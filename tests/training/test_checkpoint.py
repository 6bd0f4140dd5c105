# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: every tree comes back equal, equal trees give equal bytes, damage is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyformer.errors import TinyFormerError
from tinyformer.training.checkpoint import (
    checkpoint_key,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False), st.text(max_size=5),
    st.lists(st.integers(-100, 100), max_size=4).map(lambda values: torch.tensor(values, dtype=torch.int64)),
    st.floats(width=32, allow_nan=False).map(torch.tensor),
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=4), st.integers(0, 9)), inner, max_size=3),
    ),
    max_leaves=8,
)


def same(a: Any, b: Any) -> bool:
    """Equality of trees, types included."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@settings(max_examples=60, deadline=None)
@given(state=st.dictionaries(st.text(max_size=4), TREES, max_size=4))
def test_every_tree_comes_back(tmp_path_factory: pytest.TempPathFactory, state: dict[str, Any]) -> None:
    directory = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(directory / "a", state, "k")
    loaded = load_checkpoint(directory / "a")
    assert same(state, loaded)
    save_checkpoint(directory / "b", loaded, "k")
    assert (directory / "a").read_bytes() == (directory / "b").read_bytes()
    assert sorted(path.name for path in directory.iterdir()) == ["a", "b"]


def test_paths_that_read_alike_stay_apart(tmp_path: Path) -> None:
    state = {"a": {"b": torch.tensor(1)}, "a/b": torch.tensor(2), 3: {(4, 5): torch.tensor(3)}, 6: torch.tensor(4)}
    save_checkpoint(tmp_path / "c", {"state": state})
    assert same(load_checkpoint(tmp_path / "c"), {"state": state})


def test_an_optimizer_continues_exactly(tmp_path: Path) -> None:
    def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
        torch.manual_seed(seed)
        optimizer.zero_grad()
        model(torch.randn(4, 3)).square().sum().backward()
        optimizer.step()

    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    step(model, optimizer, 1)
    save_checkpoint(tmp_path / "c", {"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    step(model, optimizer, 2)

    resumed = torch.nn.Linear(3, 2)
    resumed_optimizer = torch.optim.AdamW(resumed.parameters(), lr=0.5)
    state = load_checkpoint(tmp_path / "c")
    resumed.load_state_dict(state["model"])
    resumed_optimizer.load_state_dict(state["optimizer"])
    step(resumed, resumed_optimizer, 2)
    assert torch.equal(resumed.weight, model.weight)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    save_checkpoint(path, {"weights": torch.zeros(100)}, "one")
    assert checkpoint_key(path) == "one"
    path.write_bytes(path.read_bytes()[:200])
    for read in (load_checkpoint, checkpoint_key, load_weights):
        with pytest.raises(TinyFormerError, match=r"last\.ckpt is damaged.*delete it"):
            read(path)
    with pytest.raises(TinyFormerError, match="does not exist"):
        load_checkpoint(tmp_path / "absent")


def test_a_foreign_object_is_refused_and_the_old_file_kept(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    save_checkpoint(path, {"epoch": 1})
    with pytest.raises(TypeError, match="the object at '/x/0'"):
        save_checkpoint(path, {"x": [object()]})
    assert load_checkpoint(path) == {"epoch": 1}


def test_weights_are_written_reproducibly_whatever_their_order_and_layout(tmp_path: Path) -> None:
    weight = torch.arange(24.0).reshape(1, 2, 3, 4)
    bias = torch.ones(2)
    save_weights(tmp_path / "a", {"w": weight, "b": bias})
    save_weights(tmp_path / "b", {"b": bias, "w": weight.to(memory_format=torch.channels_last)})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert torch.equal(load_weights(tmp_path / "a")["w"], weight)


def test_an_unwritable_destination_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TinyFormerError, match="Cannot write"):
        save_weights(tmp_path / "file" / "w", {"w": torch.zeros(1)})
