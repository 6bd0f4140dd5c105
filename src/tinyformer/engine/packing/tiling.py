# SPDX-License-Identifier: Apache-2.0
"""The way of the matrix kernels (``tf_matrix.h``) through an image: by tiles of four output pixels, which they widen.

Tiles of any four pixels in row-major order serve every window. Where windows overlap along a row (a kernel 3 or 5 wide,
stride 1, no dilation), tiles in bands hold each cell once: ``band_rows`` rows of four pixels side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tinyformer.engine.packing.kernel_files import assembled
from tinyformer.engine.packing.layout import BAND_HEIGHT
from tinyformer.engine.packing.row_pairs import TILE_PIXELS, balanced_groups, tiled
from tinyformer.ir.graph import Conv2D, Tensor

BAND_WIDTHS = (3, 5)
"""Kernel widths that there are kernels in bands for."""

BAND_ROWS = 8
"""Rows of outputs from which on taller bands gain hardly anything."""

_WIDENED = 1.5
"""Cycles of widening an input, over those of multiplying it with a weight."""


@dataclass(frozen=True)
class Tiling:
    """Tiles of one convolution.

    ``kernel`` is (height, width) and ``pairs`` the input pairs of an output; ``band_rows`` is 0 where tiles are not in
    bands.
    """

    kernel: tuple[int, int]
    channels: int
    pairs: int
    image: tuple[int, int]
    """Height and width of the output."""
    band_rows: int

    @property
    def suffix(self) -> str:
        """Suffix of the name of a kernel that has these tiles."""
        return f"_{self.kernel[1]}" if self.band_rows else ""

    @property
    def columns(self) -> int:
        """Neighbouring words of a tile that belong to the same input pair."""
        return self.kernel[1] + TILE_PIXELS - 1 if self.band_rows else TILE_PIXELS

    @property
    def sources(self) -> tuple[str, ...]:
        """Files that fill tiles and multiply them with a stream."""
        widen = assembled(f"widen_{self.columns}")
        if self.band_rows:
            return ("tf_multiply_bands.c", *widen, "tf_clamp_bytes.c")
        return ("tf_multiply_tiles.c", "tf_gather_tile.c", *assembled("widen_rows"), *widen, "tf_clamp_bytes.c")

    @property
    def words(self) -> int:
        """Words of a tile."""
        if not self.band_rows:
            return TILE_PIXELS * self.pairs
        return (self.kernel[0] + self.band_rows - 1) * self.columns * self.channels // 2

    @property
    def border_bytes(self) -> int:
        """Scratch beside the tile: a cell outside the image, or four windows and the rests of their rows."""
        if self.channels % 4 == 0:
            return self.channels
        height, width = self.kernel
        rest = -(-height * (width * self.channels % 4) // 4) * 4
        return TILE_PIXELS * (height * width * self.channels + rest)

    @property
    def scratch_bytes(self) -> int:
        """Scratch for a tile and what goes with it."""
        return 4 * self.words + self.border_bytes

    @property
    def pixels(self) -> int:
        """Output pixels that are computed, those twice that two tiles have in common."""
        height, width = self.image
        return height * tiled(width) if self.band_rows else tiled(height * width)

    @property
    def cells(self) -> int:
        """Cells (taps of a pixel) that are widened in one pass over the image."""
        if not self.band_rows:
            return self.pixels * math.prod(self.kernel)
        bands = -(-self.image[0] // self.band_rows)
        rows = self.image[0] + bands * (self.kernel[0] - 1)
        return rows * self.columns * tiled(self.image[1]) // TILE_PIXELS


def whole_tiling(op: Conv2D, y: Tensor, pairs: int) -> Tiling:
    """Tiles of any four pixels of ``op``, with ``pairs`` input pairs of an output."""
    height, width, channels = op.weights.shape[1:]
    return Tiling((height, width), channels, pairs, (y.shape[1], y.shape[2]), 0)


def tiling(op: Conv2D, y: Tensor, pairs: int, stored_weights: int, most_rows: int) -> Tiling:
    """The tiles that are faster for ``op`` with so many weights: in bands unless too many overlap at the image's edge.

    Bands are of equal height, at most ``most_rows``.
    """
    height, width, channels = op.weights.shape[1:]
    anywhere = whole_tiling(op, y, pairs)
    if (
        op.stride != (1, 1)
        or op.dilation != (1, 1)
        or width not in BAND_WIDTHS
        or height > BAND_HEIGHT
        or channels % 4
        or y.shape[2] < TILE_PIXELS
    ):
        return anywhere
    bands = replace(anywhere, band_rows=balanced_groups(y.shape[1], most_rows))
    return min(bands, anywhere, key=lambda found: found.pixels * stored_weights + _WIDENED * found.cells * channels)
