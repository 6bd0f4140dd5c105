# SPDX-License-Identifier: Apache-2.0
"""The encoding of block-sparse weight matrices, and its decoder (docs/sparse_encodings.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyformer.engine.packing.layout import INDEX_DIGIT
from tinyformer.ir.blocks import from_blocks, to_blocks

BLOCKS: tuple[tuple[int, int], ...] = ((2, 2), (2, 4), (2, 8), (4, 2), (4, 4), (1, 4))
"""Block shapes (outputs, inputs) that can be stored."""


@dataclass(frozen=True, eq=False)
class SparseMatrix:
    """An encoded matrix of ``outputs`` x ``inputs``.

    ``index`` holds numbers, ``weights`` the kept blocks; ``order`` lists the block rows as stored. A number is the sum
    of its 4-bit digits; :data:`~.layout.INDEX_DIGIT` says that another one follows.
    """

    block: tuple[int, int]
    outputs: int
    inputs: int
    index: NDArray[np.uint8]
    weights: NDArray[np.int8]
    order: NDArray[np.intp]
    counts: NDArray[np.intp]

    @property
    def nbytes(self) -> int:
        """Stored bytes, biases and multipliers apart."""
        return self.index.nbytes + self.weights.nbytes


def block_row_starts(outputs: int, rows: int) -> NDArray[np.intp]:
    """First output of every block row; the last block row is moved up where ``outputs`` is no multiple of ``rows``."""
    return np.minimum(np.arange(0, outputs, rows), outputs - rows)


def encode(weights: NDArray[np.int8], block: tuple[int, int]) -> SparseMatrix:
    """Encode ``weights`` (outputs, inputs), outputs >= block[0]; blocks without a non-zero weight are left out.

    Block rows are sorted by their number of blocks, so that the kernel's branches are predictable.
    """
    rows = block[0]
    outputs, inputs = weights.shape
    starts = block_row_starts(outputs, rows)
    gathered = weights[(starts[:, None] + np.arange(rows)).reshape(-1)]
    blocks = to_blocks(gathered[:, None, :], block)[:, 0]
    kept = np.asarray((blocks != 0).sum(axis=(2, 3)) > 0)
    counts = kept.sum(axis=1)
    order = np.argsort(counts, kind="stable")
    numbers: list[int] = []
    previous = len(order) - 1
    for row in order:
        columns_kept = np.flatnonzero(kept[row])
        numbers += [(row - previous - 1) % len(order), len(columns_kept), *np.diff(columns_kept, prepend=-1) - 1]
        previous = row
    stored = np.concatenate([_words(blocks[row][kept[row]]) for row in order])
    return SparseMatrix(block, outputs, inputs, _pack_numbers(numbers), stored, order, counts[order])


def decode(matrix: SparseMatrix) -> NDArray[np.int8]:
    """Inverse of :func:`encode`: (outputs, inputs)."""
    rows, columns = matrix.block
    starts = block_row_starts(matrix.outputs, rows)
    block_columns = -(-(-(-matrix.inputs // 4) * 4) // columns)
    dense = np.zeros((matrix.outputs, matrix.inputs), np.int8)
    numbers = _unpack_numbers(matrix.index)
    row, at = len(starts) - 1, 0
    for _ in starts:
        row = (row + 1 + next(numbers)) % len(starts)
        count = next(numbers)
        where = np.cumsum([1 + next(numbers) for _ in range(count)], dtype=np.intp) - 1
        blocks = np.zeros((1, 1, block_columns, rows, columns), np.int8)
        blocks[0, 0, where] = _from_words(matrix.weights[at : at + count * rows * columns], matrix.block)
        dense[starts[row] : starts[row] + rows] = from_blocks(blocks, rows, matrix.inputs)[:, 0]
        at += count * rows * columns
    return dense


def _words(blocks: NDArray[np.int8]) -> NDArray[np.int8]:
    """Stored order of blocks (n, rows, columns): one byte after the other."""
    n, rows, columns = blocks.shape
    if rows == 1:
        # One output: groups of four inputs in their natural order.
        return blocks.reshape(n, columns // 4, 2, 2).transpose(0, 1, 3, 2).reshape(-1)
    return blocks.reshape(n, rows // 2, 2, columns // 2, 2).transpose(0, 1, 3, 4, 2).reshape(-1)


def _from_words(words: NDArray[np.int8], block: tuple[int, int]) -> NDArray[np.int8]:
    rows, columns = block
    if rows == 1:
        return words.reshape(-1, columns // 4, 2, 2).transpose(0, 1, 3, 2).reshape(-1, rows, columns)
    return words.reshape(-1, rows // 2, columns // 2, 2, 2).transpose(0, 1, 4, 2, 3).reshape(-1, rows, columns)


def _pack_numbers(numbers: Iterable[int]) -> NDArray[np.uint8]:
    digits: list[int] = []
    for number in numbers:
        digits += [INDEX_DIGIT] * (number // INDEX_DIGIT) + [number % INDEX_DIGIT]
    pairs = np.array(digits + [0] * (len(digits) % 2), np.uint8).reshape(-1, 2)
    return (pairs[:, 0] | pairs[:, 1] << 4).astype(np.uint8)


def _unpack_numbers(index: NDArray[np.uint8]) -> Iterator[int]:
    number = 0
    for digit in np.stack([index & 15, index >> 4], axis=1).reshape(-1).tolist():
        number += digit
        if digit != INDEX_DIGIT:
            yield number
            number = 0
