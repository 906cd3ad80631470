"""Data: the one place where pictures and label pictures are opened.

A file's content decides its format, whatever its name says, and only formats that data sets use are tried: Pillow knows
some that start other programs. What a file claims is held against bounds before it is decoded.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import (  # noqa: F401  (formats whose modules are there are not looked for among all that Pillow knows)
    Image,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from virb.core.errors import DataError, VirbError
from virb.core.files import open_file, read_bytes
from virb.data.formats.claims import WEBP, odd_claims, odd_scans, too_large

PictureReader = Callable[[Path, int], Image.Image]

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
MOST_LABELLED = 1 << 24
"""Pixels of a label picture: sixteen million, far more than any data set's; some take forty bytes for each."""
_PLAIN, _OTHER = 7, 12
"""Bytes of memory for a pixel until it is in an array: one that is RGB at once, and any other."""


@contextmanager
def opened(path: Path, row: int = 0, reader: PictureReader | None = None) -> Iterator[Image.Image]:
    """Yield a picture that is not decoded yet; without a reader it is a file of its own.

    Whatever goes wrong until the end of the block is told of this picture.
    """
    with explained(path):
        if reader is not None:
            with reader(path, row) as picture:
                yield picture
        else:
            with open_file(path) as stream, _bounded(stream) as picture:
                yield picture


@contextmanager
def explained(
    path: Path,
    kind: str = "an image",
    whole: str = "a whole JPEG, PNG or other picture",
    remedy: str = "fetch this file again; it may have been cut short",
) -> Iterator[None]:
    """Say of whatever a decoder stumbles over that the file cannot be read: damage makes them fail in any way."""
    try:
        yield
    except VirbError:
        raise
    except Exception as error:
        raise DataError(f"{path} cannot be read as {kind}: {reason(error)}", whole, remedy) from error


def reason(error: Exception) -> str:
    """Return a decoder's complaint, short; some repeat the file in it."""
    if isinstance(error, UnidentifiedImageError):
        return f"it is none of {', '.join(FORMATS)}"
    said = error.strerror if isinstance(error, OSError) else ""
    return (said or str(error) or type(error).__name__)[:200]


@contextmanager
def _bounded(stream: BinaryIO) -> Iterator[Image.Image]:
    """Yield a file's picture when what it claims is within bounds."""
    if found := odd_claims(stream):
        raise ValueError(found)
    with Image.open(stream, formats=FORMATS) as picture:
        if found := too_large(*picture.size, _each(picture)):
            raise ValueError(found)
        yield picture


def _each(picture: Image.Image) -> int:
    if picture.format == "WEBP":
        return WEBP
    return _PLAIN if picture.mode == "RGB" else _OTHER


def read_rgb(path: Path, row: int = 0, reader: PictureReader | None = None) -> Image.Image:
    """Return a picture of any mode in RGB, wholly decoded."""
    with opened(path, row, reader) as image:
        if reader is None:
            _refuse_scans(path, image)
        image.load()
        return image if image.mode == "RGB" else _to_rgb(image)  # which would copy what is RGB already


def _refuse_scans(path: Path, image: Image.Image) -> None:
    """Refuse a JPEG whose scans take more time or memory than any in use."""
    if image.format in ("JPEG", "MPO") and (found := odd_scans(read_bytes(path), *image.size, _each(image))):
        raise ValueError(found)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return a picture of any mode in RGB; Pillow itself would cut 16-bit grey to white without a word."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels are numbers of mode {image.mode}, whose scale is unknown")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def rgb_pixels(image: Image.Image) -> np.ndarray:
    """Return the pixels of an RGB picture, uint8 [H,W,3], a band at a time: in one piece they are there three times."""
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    step = max(1, _BAND // max(1, width))
    for top in range(0, height, step):
        bottom = min(height, top + step)
        pixels[top:bottom] = np.asarray(image.crop((0, top, width, bottom)) if step < height else image)
    return pixels


_BAND = 1 << 24
"""Pixels that are copied at a time."""


def picture_size(path: Path, row: int = 0, reader: PictureReader | None = None) -> tuple[int, int]:
    """Return width and height; a file's own header tells them."""
    with opened(path, row, reader) as image:
        return image.size


def stored_pixels(
    path: Path | str, expected: str, remedy: str, name: str = "", convert: str | None = None
) -> tuple[str, np.ndarray]:
    """Return the mode of a label picture and its pixels as they are stored."""
    try:
        with open_file(path) as stream, _bounded(stream) as picture:
            if picture.width * picture.height > MOST_LABELLED:
                raise ValueError(f"it claims {picture.width:,} x {picture.height:,} pixels")
            _refuse_scans(Path(path), picture)
            return picture.mode, np.array(picture.convert(convert) if convert else picture)
    except Exception as error:  # a damaged file makes the decoders fail in almost any way
        raise DataError(f"cannot read {name or path}: {reason(error)}", expected, remedy) from error


def png_in_rgb(path: Path, content: bytes, most: int) -> Image.Image:
    """Return the picture of a PNG file's bytes, of so many pixels at most, in RGB."""
    with explained(path), _bounded(io.BytesIO(content)) as picture:
        if picture.format != "PNG" or picture.width * picture.height > most:
            raise ValueError(f"it is a {picture.format} of {picture.width:,} x {picture.height:,} pixels")
        return picture.convert("RGB")
