"""Data: where pictures and label pictures are opened; a file's content decides its format, whatever its name says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from virb.core.errors import DataError

PictureReader = Callable[[Path, int], Image.Image]


def opened(path: Path, row: int = 0, reader: PictureReader | None = None) -> Image.Image:
    """Return a picture that is not decoded yet, for a `with`; without a reader it is a file of its own."""
    return Image.open(path) if reader is None else reader(path, row)


def read_rgb(path: Path, row: int = 0, reader: PictureReader | None = None) -> Image.Image:
    """Return a picture of any mode in RGB, wholly decoded; Pillow's own errors say why it cannot be."""
    with opened(path, row, reader) as image:
        image.load()
        return image if image.mode == "RGB" else _to_rgb(image)  # which would copy what is RGB already


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return a picture of any mode in RGB; Pillow itself would cut 16-bit grey to white without a word."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels are numbers of mode {image.mode}, whose scale is unknown")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def picture_size(path: Path, row: int = 0, reader: PictureReader | None = None) -> tuple[int, int]:
    """Return width and height; a file's own header tells them."""
    with opened(path, row, reader) as image:
        return image.size


def stored_pixels(
    path: Path | str, expected: str, remedy: str, name: str = "", convert: str | None = None
) -> tuple[str, np.ndarray]:
    """Return the mode of a label picture and its pixels as they are stored."""
    try:
        with Image.open(path) as picture:
            return picture.mode, np.array(picture.convert(convert) if convert else picture)
    except Exception as error:  # a damaged file makes the decoders fail in almost any way
        raise DataError(f"cannot read {name or path}: {error}", expected, remedy) from error
