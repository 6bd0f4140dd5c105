"""Epochs cut into the pieces between two checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from types import SimpleNamespace
from typing import Any, Protocol


class Batches(Protocol):
    """Batches of an epoch that depend on the epoch's number alone (``data.loading.EpochBatches``)."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration delivers."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...


class Segments:
    """Cuts epochs into equal segments of at most ``steps`` batches, each of which Lightning takes for an epoch.

    A checkpoint at the end of a segment holds no position within the data: a resumed run just asks for the next one.
    Where the batches cannot be divided evenly, the last few of each epoch (fewer than there are segments) are left out.
    """

    def __init__(self, batches: Batches, steps: int | None) -> None:
        self._batches = batches
        self._segment = 0
        self.per_epoch = -(-len(batches) // steps) if steps else 1
        self._length = len(batches) // self.per_epoch

    @property
    def batch_sampler(self) -> SimpleNamespace:
        """Lightning calls ``batch_sampler.sampler.set_epoch`` before each of its epochs."""
        return SimpleNamespace(sampler=self)

    def set_epoch(self, index: int) -> None:
        """Choose the segment to deliver, counted over all epochs."""
        epoch, self._segment = divmod(index, self.per_epoch)
        self._batches.set_epoch(epoch)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        start = self._segment * self._length  # evaluated when Lightning asks for the first batch, after set_epoch
        yield from islice(iter(self._batches), start, start + self._length)
