# SPDX-License-Identifier: Apache-2.0
"""Checkpoints without pickle: one safetensors file holds every tensor, its header holds the rest as JSON.

A file is written beside its destination, flushed to the disk and renamed over it, so that a process killed at any
moment leaves either the previous file or the new one. Equal states give equal bytes.

A checkpoint belongs to a key (:mod:`tinyformer.keys`). One written under another key is not resumed from; the run
starts afresh and overwrites it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from tinyformer.errors import TinyFormerError
from tinyformer.files import replace_file
from tinyformer.keys import arrays_digest

_HEADER = "tinyformer"  # one entry only: safetensors does not order several
_TENSOR, _TUPLE, _ITEMS = "$tensor", "$tuple", "$items"


def save_checkpoint(path: Path, state: Mapping[str, Any], key: str = "") -> None:
    """Write ``state`` atomically: nested dicts, lists and tuples of tensors, numbers, strings, booleans and ``None``.

    Raises ``TypeError`` for anything else and :class:`TinyFormerError` where the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    tree = _pack(state, "", tensors)
    header = json.dumps({"key": key, "state": tree}, separators=(",", ":"))
    replace_file(path, save(tensors, {_HEADER: header}))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state that :func:`save_checkpoint` wrote, tensors on the CPU.

    Raises :class:`TinyFormerError` if the file is missing, damaged or not a checkpoint.
    """
    header, tensors = _read(path, with_tensors=True)
    state: dict[str, Any] = _unpack(header["state"], tensors)
    return state


def checkpoint_key(path: Path) -> str:
    """The key under which a checkpoint was written; reads the header only. Raises as :func:`load_checkpoint`."""
    key: str = _read(path, with_tensors=False)[0]["key"]
    return key


def save_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write a state dict as a plain safetensors file, atomically and byte for byte reproducible."""
    replace_file(path, save({name: _detached(tensor) for name, tensor in sorted(weights.items())}))


def load_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from a safetensors file. Raises :class:`TinyFormerError` if the file is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the names, types, shapes and values of ``tensors``, wherever they lie; in hexadecimal."""
    return arrays_digest({name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()})


def _pack(node: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """``node`` as JSON values, its tensors moved to ``tensors`` under their path in the tree."""

    def items(sequence: Sequence[Any]) -> list[Any]:
        return [_pack(item, f"{name}/{i}", tensors) for i, item in enumerate(sequence)]

    if node is None or isinstance(node, bool | str | int | float):
        return node
    if isinstance(node, np.generic):
        return node.item()
    match node:
        case Tensor():
            unique = f"{name}#{len(tensors)}" if name in tensors else name
            tensors[unique] = _detached(node)
            packed: Any = {_TENSOR: unique}
        case list():
            packed = items(node)
        case tuple():
            packed = {_TUPLE: items(node)}
        case Mapping() if all(isinstance(key, str) and not key.startswith("$") for key in node):
            packed = {key: _pack(item, f"{name}/{key}", tensors) for key, item in node.items()}
        case Mapping():
            packed = {_ITEMS: [items(pair) for pair in node.items()]}
        case _:
            raise TypeError(f"a checkpoint cannot hold the {type(node).__name__} at '{name}'")
    return packed


def _unpack(node: Any, tensors: Mapping[str, Tensor]) -> Any:
    match node:
        case {"$tensor": name}:
            return tensors[name]
        case {"$tuple": items}:
            return tuple(_unpack(item, tensors) for item in items)
        case {"$items": pairs}:
            return {_unpack(key, tensors): _unpack(item, tensors) for key, item in pairs}
        case dict():
            return {key: _unpack(item, tensors) for key, item in node.items()}
        case list():
            return [_unpack(item, tensors) for item in node]
        case _:
            return node


def _detached(tensor: Tensor) -> Tensor:
    """A row-major copy on the CPU that shares memory with nothing, as safetensors asks."""
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def _read(path: Path, *, with_tensors: bool) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[_HEADER])
            return header, {name: file.get_tensor(name) for name in file.keys()} if with_tensors else {}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> TinyFormerError:
    if isinstance(error, FileNotFoundError):
        return TinyFormerError(f"{path} does not exist; run the stage that writes it.")
    return TinyFormerError(
        f"{path} is damaged or not a file of this program ({error}); delete it, and what it held is computed again."
    )
