# SPDX-License-Identifier: Apache-2.0
"""Lightning's checkpoints as safetensors files.

Apart from :mod:`.checkpoint`, which stages and search workers use that have no need of Lightning and of the seconds
that importing it takes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning.plugins.io import CheckpointIO

from tinyformer.training.checkpoint import load_checkpoint, save_checkpoint


class SafetensorsCheckpointIO(CheckpointIO):
    """Makes a Lightning ``Trainer`` save and resume through :func:`save_checkpoint`, under the given key."""

    def __init__(self, key: str = "") -> None:
        self._key = key

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Called by ``Trainer.save_checkpoint``."""
        save_checkpoint(Path(path), checkpoint, self._key)

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Called by ``Trainer.fit(ckpt_path=...)``; the strategy moves the tensors to their devices."""
        return load_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete the file if it exists."""
        Path(path).unlink(missing_ok=True)
