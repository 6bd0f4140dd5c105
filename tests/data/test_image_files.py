# SPDX-License-Identifier: Apache-2.0
"""Images and archives as people save them become what they look like, or are refused by name."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyformer.config.data import DataConfig
from tinyformer.data import eight_bits
from tinyformer.data.sources import image_folder
from tinyformer.errors import TinyFormerError

Build = Callable[..., DataConfig]
SIDE = 8
GREY = 100
"""Grey level of every image below, as it looks."""


def still(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def grey(level: int, mode: str = "L") -> Image.Image:
    return Image.new(mode, (SIDE, SIDE), level if mode == "L" else (level,) * len(mode))


def sixteen_bits() -> Image.Image:
    return Image.fromarray(np.full((SIDE, SIDE), GREY * 257, np.uint16))


def transparent(alpha: int) -> Image.Image:
    image = grey(GREY if alpha == 255 else 255, "RGB").convert("RGBA")
    image.putalpha(alpha)
    return image


def half_transparent_black() -> Image.Image:
    # (255 - GREY) / 255 of black over white
    return Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 255 - GREY))


def palette() -> Image.Image:
    image = Image.new("P", (SIDE, SIDE), 3)
    image.putpalette([0, 0, 0, 9, 9, 9, 8, 8, 8, GREY, GREY, GREY])
    return image


FILES: dict[str, Callable[[Path], Path]] = {
    "16-bit PNG": lambda folder: still(folder / "a.png", sixteen_bits()),
    "16-bit TIFF": lambda folder: still(folder / "a.tif", sixteen_bits()),
    "float TIFF, 0 to 1": lambda folder: still(
        folder / "a.tif", Image.fromarray(np.full((SIDE, SIDE), GREY / 255, np.float32))
    ),
    "float TIFF, 0 to 255": lambda folder: still(
        folder / "a.tif", Image.fromarray(np.full((SIDE, SIDE), float(GREY), np.float32))
    ),
    "opaque alpha": lambda folder: still(folder / "a.png", transparent(255)),
    "half transparent": lambda folder: still(folder / "a.png", half_transparent_black()),
    "palette": lambda folder: still(folder / "a.png", palette()),
    "palette GIF": lambda folder: still(folder / "a.gif", palette()),
    "CMYK TIFF": lambda folder: still(folder / "a.tif", grey(GREY, "RGB").convert("CMYK")),
    "grey with alpha": lambda folder: still(folder / "a.png", grey(GREY).convert("LA")),
    "RGB BMP": lambda folder: still(folder / "a.bmp", grey(GREY, "RGB")),
}


def load(folder: Path, data_config: Build, channels: int) -> np.ndarray:
    other = folder.parent / "other"
    other.mkdir()
    grey(0).save(other / "b.png")
    root = folder.parent
    return image_folder.load(data_config("image_folder", root=str(root), image_size=SIDE, channels=channels)).images


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", FILES)
def test_an_image_is_what_it_looks_like(kind: str, channels: int, tmp_path: Path, data_config: Build) -> None:
    folder = tmp_path / "images" / "class"
    folder.mkdir(parents=True)
    FILES[kind](folder)
    pixels = load(folder, data_config, channels)[0].astype(int)
    assert np.abs(pixels - GREY).max() <= 1


def test_hidden_colours_do_not_show(tmp_path: Path, data_config: Build) -> None:
    folder = tmp_path / "images" / "class"
    folder.mkdir(parents=True)
    Image.new("RGBA", (SIDE, SIDE), (200, 10, 10, 0)).save(folder / "a.png")
    assert (load(folder, data_config, 3)[0] == 255).all()


def test_exif_orientation_turns(tmp_path: Path, data_config: Build) -> None:
    folder = tmp_path / "images" / "class"
    folder.mkdir(parents=True)
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[0] = 255  # the upper row
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter: it becomes the right column
    Image.fromarray(pixels).save(folder / "a.png", exif=exif)
    upright = load(folder, data_config, 1)[0, :, :, 0]
    np.testing.assert_array_equal(upright, np.rot90(pixels, -1))


def test_what_is_no_still_image_is_refused(tmp_path: Path, data_config: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "images" / "class"
    (tmp_path / "images" / "other").mkdir(parents=True)
    folder.mkdir()
    grey(0).save(tmp_path / "images" / "other" / "b.png")

    def refused(path: Path, words: str) -> None:
        config = data_config("image_folder", root=str(folder.parent), image_size=SIDE)
        with pytest.raises(TinyFormerError, match=words) as raised:
            image_folder.load(config)
        assert path.name in str(raised.value)
        path.unlink()

    frames = [grey(0), grey(255)]
    refused(still(folder / "a.gif", frames[0], save_all=True, append_images=frames[1:]), "2 frames")
    wide = Image.fromarray(np.full((SIDE, SIDE), 1e6, np.float32))
    refused(still(folder / "a.tif", wide), "neither 0 to 1 nor 0 to 255")
    (folder / "a.png").write_bytes(still(folder / "b.png", grey(GREY)).read_bytes()[:40])
    (folder / "b.png").unlink()
    refused(folder / "a.png", "cannot be read as an image")
    monkeypatch.setattr(eight_bits, "MOST_PIXELS", 10)
    refused(still(folder / "a.png", grey(0)), "more than 10")


def test_special_files_are_no_images(tmp_path: Path, data_config: Build) -> None:
    folder = tmp_path / "images" / "class"
    folder.mkdir(parents=True)
    grey(GREY).save(folder / "a.png")
    os.mkfifo(folder / "fifo.png")
    assert len(load(folder, data_config, 1)) == 2


IMAGES = np.full((6, SIDE, SIDE), GREY, np.uint8)
LABELS = np.arange(6) % 3
MEDMNIST = {
    f"{split}_{kind}": value
    for split in ("train", "val", "test")
    for kind, value in (("images", IMAGES), ("labels", LABELS[:, None]))
}
ARCHIVES = {
    "Keras": ({"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS}, 6),
    "MedMNIST": (MEDMNIST, 12),
    "one-hot": ({"images": IMAGES, "labels": np.eye(3)[LABELS]}, 6),
    "floats": ({"images": IMAGES / np.float32(255), "labels": LABELS}, 6),
    "16 bits": ({"images": IMAGES.astype(np.uint16) * 257, "labels": LABELS}, 6),
    "channels first": ({"images": np.repeat(IMAGES[:, None], 3, axis=1), "labels": LABELS}, 6),
    "alpha": ({"images": np.stack([IMAGES, IMAGES, IMAGES, np.full_like(IMAGES, 255)], axis=3), "labels": LABELS}, 6),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_archives_of_others_are_read(kind: str, tmp_path: Path, data_config: Build) -> None:
    arrays, count = ARCHIVES[kind]
    np.savez(tmp_path / "a.npz", **arrays)
    source = image_folder.load(data_config("image_folder", root=str(tmp_path / "a.npz"), image_size=SIDE, channels=1))
    assert source.images.shape == (count, SIDE, SIDE, 1)
    assert (source.images == GREY).all()
    assert source.labels.tolist() == (LABELS.tolist() * 2)[:count]
    assert (source.test_images is not None) == (kind in ("Keras", "MedMNIST"))


def test_archives_that_unfold_without_end_are_refused(tmp_path: Path, data_config: Build) -> None:
    path = tmp_path / "bomb.npz"
    np.savez(path, images=IMAGES, labels=LABELS)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("images.npy").file_size
    # The size in the central directory, which stands last.
    at = content.rindex(size.to_bytes(4, "little"))
    content[at : at + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    path.write_bytes(content)
    config = data_config("image_folder", root=str(path), image_size=SIDE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinyformer.data.sources.layouts.MOST_BYTES", 1 << 30)
        with pytest.raises(TinyFormerError, match="unfolds to"):
            image_folder.load(config)
