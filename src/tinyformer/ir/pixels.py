# SPDX-License-Identifier: Apache-2.0
"""How a raw image, or a map of numbers, becomes INT8: one rule for data, training, deployment and the C header."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyformer.errors import TinyFormerError


@dataclass(frozen=True)
class PixelRule:
    """A network's real input of raw pixels, 0..255: ``real = (pixel - offset) * scale``, computed in binary32."""

    offset: float
    scale: float
    numbers: tuple[float, float] | None = None
    """The numbers that became pixels 0 and 255, where the data set has numbers (:func:`pixels_of`)."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without what is None."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> PixelRule:
        """Inverse of :meth:`as_dict`."""
        numbers = data.get("numbers")
        return PixelRule(data["offset"], data["scale"], None if numbers is None else (numbers[0], numbers[1]))

    def real(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the network sees of ``pixels``, in their shape."""
        centred = pixels.astype(np.float32) - np.float32(self.offset)
        return centred * np.float32(self.scale)


PIXELS = PixelRule(128.0, 1 / 128)
"""What the networks trained here see: -1 .. 127/128, mid-grey as 0."""


def pixels_of(values: NDArray[np.floating], numbers: tuple[float, float]) -> NDArray[np.uint8]:
    """Pixels that stand for ``values``, in their shape: 0 for the first of ``numbers`` and below, 255 for the second.

    Computed in binary32, half to even.
    """
    scaled = (values.astype(np.float32) - np.float32(numbers[0])) * pixels_per_number(numbers)
    pixels: NDArray[np.uint8] = np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
    return pixels


def pixels_per_number(numbers: tuple[float, float]) -> np.float32:
    """The factor of :func:`pixels_of`."""
    return np.float32(255 / (numbers[1] - numbers[0]))


@dataclass(frozen=True)
class InputRule:
    """A network's INT8 input: ``real = scale * (q - zero_point)``, of reals and, if known, of raw pixels."""

    scale: float
    zero_point: int
    pixels: PixelRule | None

    def from_real(self, real: NDArray[np.floating]) -> NDArray[np.int8]:
        """Divide in binary32, round half to even and saturate, as ONNX's QuantizeLinear does; in the given shape."""
        scaled = np.rint(real.astype(np.float32) / np.float32(self.scale))
        quantized: NDArray[np.int8] = np.clip(scaled + self.zero_point, -128, 127).astype(np.int8)
        return quantized

    def table(self) -> NDArray[np.int8]:
        """INT8 of every pixel, (256,).

        Raises:
            TinyFormerError: the model does not say what it sees of a pixel.
        """
        if self.pixels is None:
            raise TinyFormerError(
                "The model does not say how raw pixels become its input: hand over real (float32) or INT8 values, or"
                " write the rule into its metadata (docs/model_import.md)."
            )
        return self.from_real(self.pixels.real(np.arange(256, dtype=np.uint8)))

    def from_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.int8]:
        """INT8 of raw pixels, in their shape. Raises as :meth:`table`."""
        return self.table()[pixels]
