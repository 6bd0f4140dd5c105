# SPDX-License-Identifier: Apache-2.0
"""Keys and groups that have moved: the words that older commands and recipes use."""

from __future__ import annotations

from collections.abc import Iterable

MOVED = {
    "train": "supernet_training",
    "train.checkpoint_every": "runtime.checkpoint_every",
    "supernet_training.checkpoint_every": "runtime.checkpoint_every",
    "finetune.checkpoint_every": "runtime.checkpoint_every",
    "quantization.training.checkpoint_every": "runtime.checkpoint_every",
    "trainer.progress_bar": "runtime.progress_bar",
    "sparsenas.pool": "runtime.pool",
    "sparsenas.workers": "runtime.workers",
    "sparsenas.limits": "limits",
    "engine.flash_bytes": "limits.flash_bytes",
    "engine.sram_bytes": "limits.sram_bytes",
    "engine.verify_images": "runtime.verify_images",
}
"""Where to find what was once under another name: a key, or a section with all that is in it."""


def new_name(key: str) -> str:
    """Today's name of the dotted ``key``; itself where it has not moved."""
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        if found := MOVED.get(".".join(parts[:length])):
            return ".".join((found, *parts[length:]))
    return key


def moves(overrides: Iterable[str]) -> dict[str, str]:
    """Those Hydra ``overrides`` (``[+~]key=value``) that use old names, and what they say today."""
    found = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        bare = key.lstrip("+~")
        if (today := new_name(bare)) != bare:
            found[override] = f"{key[: len(key) - len(bare)]}{today}{equals}{value}"
    return found
