# SPDX-License-Identifier: Apache-2.0
"""Section ``data``: which images, how they are split, how training varies them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from tinyformer.config.base import Section


class AugmentConfig(Section):
    """Random changes of training images; zero (or false) switches one off. Never applied to other splits."""

    crop_padding: int = Field(ge=0)
    """Images shift by up to this many pixels in each direction (a random crop of the padded image)."""
    crop_fill: Literal["black", "reflect"]
    """What the shift uncovers: black pixels, or the image mirrored at its border."""
    horizontal_flip: bool | Literal["alternating"]
    """Mirror left and right with probability one half; ``alternating``: every image in every second epoch, so that
    each is seen both ways in two epochs (Jordan, arXiv 2404.00498)."""
    cutout: int = Field(ge=0)
    """Side in pixels of one square painted mid-grey at a random place (DeVries and Taylor, arXiv 1708.04552)."""
    color_jitter: float = Field(ge=0, lt=1)
    """Brightness, contrast and saturation are each scaled by a factor in [1 - this, 1 + this]."""
    mixup: float = Field(ge=0)
    """Alpha of the Beta distribution images and labels are mixed with (Zhang et al., arXiv 1710.09412)."""
    cutmix: float = Field(default=0.0, ge=0)
    """Alpha of the Beta distribution of the share of an image that a rectangle of another leaves (arXiv 1905.04899)."""
    mix_share: float = Field(default=1.0, ge=0, le=1)
    """Share of the batches that mixup and CutMix (one of the two where both are on) are applied to."""
    trivial_augment: bool = False
    """One random operation of random strength an image (Mueller and Hutter, arXiv 2103.10158)."""
    random_erasing: float = Field(default=0.0, ge=0, le=1)
    """Share of the images in which a random rectangle is painted mid-grey (Zhong et al., arXiv 1708.04896)."""


class DataConfig(Section):
    """A data set and its fixed train, validation, test and calibration splits."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    """Name of the prepared data set; also the name of its directory."""
    source: Literal["digits", "cifar10", "image_folder", "features"]
    """Where the images come from (docs/data.md)."""
    root: str | None
    """Directory (or .npz file) of the source; relative paths start at $TINYFORMER_DATA where that is set. Null: the
    source's default."""
    image_size: int = Field(ge=8, le=256)
    """Side of the square images in pixels; other sizes are resampled."""
    channels: Literal[1, 3]
    """1: grey, 3: RGB; images are converted."""
    feature_range: tuple[float, float] | None = None
    """Values that become the bytes 0 and 255, for the source ``features`` alone. Null: the least and the largest."""
    validation_fraction: float = Field(gt=0, le=0.5)
    """Share of the training images set aside for validation."""
    test_fraction: float = Field(gt=0, le=0.5)
    """Share of all images held out as the test split, where the source has no official one."""
    calibration_images: int = Field(gt=0)
    """Training images that also form the calibration split of the quantizer."""
    train_limit: int | None = Field(ge=1)
    """Keep at most this many training images, validation not counted. Null: all."""
    augment: AugmentConfig

    @model_validator(mode="after")
    def _range_goes_with_features(self) -> Self:
        if self.feature_range is not None and self.source != "features":
            raise ValueError(f"feature_range is for the source 'features', not for '{self.source}'")
        if self.feature_range is not None and self.feature_range[0] >= self.feature_range[1]:
            raise ValueError("feature_range must be two values, the lower one first")
        return self

    @model_validator(mode="after")
    def _augmentation_fits_the_image(self) -> Self:
        for key in ("crop_padding", "cutout"):
            if getattr(self.augment, key) >= self.image_size:
                raise ValueError(f"augment.{key} must be smaller than image_size ({self.image_size})")
        return self
