"""Formats: files that data readers and sample writers share and that no image library reads as they are.

PIL opens 16-bit RGB PNG files and silently keeps eight bits, which would turn optical flow into noise.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from virb.core.errors import DataError
from virb.core.files import read_bytes
from virb.data.pictures import stored_pixels

Words: TypeAlias = NDArray[np.uint16]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXEL = 6
"""Bytes of one pixel: three channels of two."""
_MOST_PIXELS = 1 << 24
"""Sixteen million: far more than any data set's, far less than memory."""
_LONGEST = 8192
"""Pixels of a side: the work is done by the diagonal, however short it is."""
_REMEDY = "fetch or unpack the file again"
_KITTI_ZERO, _KITTI_STEPS = 32768, 64.0


def write_png16(array: Words) -> bytes:
    """Return an array [H,W,3] as an RGB PNG file of 16 bits; each row says how it differs from the one above."""
    height, width, _ = array.shape
    rows = np.ascontiguousarray(array.astype(">u2")).view(np.uint8).reshape(height, width * _PIXEL)
    lines = np.full((height, 1 + width * _PIXEL), 2, np.uint8)  # filter 2: up
    lines[:, 1:] = rows
    lines[1:, 1:] -= rows[:-1]
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    body = zlib.compress(lines.tobytes(), 3)
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def read_png16(source: Path | str | bytes) -> Words:
    """Return an RGB PNG file of 16 bits, or its bytes, as an array [H,W,3]."""
    name = "the PNG data" if isinstance(source, bytes) else str(source)
    content = source if isinstance(source, bytes) else _content(Path(source))
    if not content.startswith(_SIGNATURE):
        _refuse(name, "is not a PNG file")
    head: tuple[int, int] | None = None
    packed = []
    for kind, part in _chunks(content, name):
        if kind == b"IHDR":
            head = _size(part, name)
        elif kind == b"IDAT":
            packed.append(part)
    if head is None:
        _refuse(name, "has no header")
    width, height = head
    lines = _inflated(b"".join(packed), height * (1 + width * _PIXEL), name).reshape(height, 1 + width * _PIXEL)
    if lines[:, 0].max() > 4:
        _refuse(name, f"has a row with filter {lines[:, 0].max()}, which does not exist")
    pixels = _unfiltered(lines[:, 0], lines[:, 1:].reshape(height, width, _PIXEL))
    return pixels.view(">u2").astype(np.uint16)


def _refuse(name: str, found: str, expected: str = "an RGB PNG file of 16 bits per channel") -> NoReturn:
    raise DataError(f"{name} {found}", expected, _REMEDY)


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _PIXEL * _MOST_PIXELS * 2:
            _refuse(str(path), "is far too large")
        return read_bytes(path)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}", "a readable file", _REMEDY) from error


def _chunks(content: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of each chunk up to the last, their checksums tested."""
    place = len(_SIGNATURE)
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        kind, end = content[place + 4 : place + 8], place + 8 + length
        if end + 4 > len(content):
            break
        if zlib.crc32(content[place + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            _refuse(name, f"is damaged: the checksum of its chunk {kind!r} is wrong")
        if kind == b"IEND":
            return
        if kind not in (b"IHDR", b"IDAT", b"PLTE") and not kind[0] & 32:
            _refuse(name, f"has an unknown chunk {kind!r} that may not be skipped")
        yield kind, content[place + 8 : end]
        place = end + 4
    _refuse(name, "is cut short")


def _size(head: bytes, name: str) -> tuple[int, int]:
    """Return width and height, after a look at everything else in the header."""
    if len(head) != 13:
        _refuse(name, f"has a header of {len(head)} bytes", "13 bytes")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", head)
    if (depth, colour) != (16, 2):
        _refuse(name, f"has {depth} bits per channel and colour type {colour}", "16 bits and colour type 2, RGB")
    if interlaced:
        _refuse(name, "is interlaced", "a PNG file that is not")
    if not 0 < width * height <= _MOST_PIXELS or max(width, height) > _LONGEST:
        expected = f"1 to {_MOST_PIXELS:,} pixels, and sides of at most {_LONGEST:,}"
        _refuse(name, f"claims {width} x {height} pixels", expected)
    return width, height


def _inflated(packed: bytes, expected: int, name: str) -> NDArray[np.uint8]:
    """Return exactly the expected number of bytes; a small file cannot grow beyond them in memory."""
    try:
        content = zlib.decompressobj().decompress(packed, expected + 1)
    except zlib.error as error:
        raise DataError(f"{name} is damaged: {error}", "a PNG file", _REMEDY) from error
    if len(content) != expected:
        how = "more" if len(content) > expected else "fewer"
        _refuse(name, f"is damaged: it holds {how} pixels than its header says")
    return np.frombuffer(content, np.uint8)


def _unfiltered(kinds: NDArray[np.uint8], lines: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return pixels [H,W,6] from filtered rows, one diagonal after another.

    A pixel depends on those to its left, above, and above left, so that all of a diagonal can be worked at once,
    whatever the filters of its rows. Around the picture stand a row and a column of zeros.
    """
    height, width, depth = lines.shape
    wide = width + 1
    pixels = np.zeros((height + 1, wide, depth), np.uint8)
    pixels[1:, 1:] = lines
    if not kinds.any():
        return np.ascontiguousarray(pixels[1:, 1:])
    flat = pixels.reshape(-1, depth)
    shares = [(kinds == kind).astype(np.int16)[:, None] for kind in range(1, 5)]
    for diagonal in range(width + height - 1):
        first, last = max(0, diagonal - width + 1), min(height - 1, diagonal)
        start = (first + 1) * wide + diagonal - first + 1
        stop = start + (last - first) * width + 1
        left, up, corner = (flat[start - back : stop - back : width].astype(np.int16) for back in (1, wide, wide + 1))
        guesses = (left, up, (left + up) >> 1, _paeth(left, up, corner))
        guess = sum(share[first : last + 1] * one for share, one in zip(shares, guesses, strict=True))
        flat[start:stop:width] += np.asarray(guess).astype(np.uint8)
    return np.ascontiguousarray(pixels[1:, 1:])


def _paeth(left: NDArray[np.int16], up: NDArray[np.int16], corner: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return which of the three is nearest to left + up - corner."""
    to_left, to_up = np.abs(up - corner), np.abs(left - corner)
    to_corner = np.abs(left + up - 2 * corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, np.where(to_up <= to_corner, up, corner))


def write_gray16(array: Words) -> bytes:
    """Return an array [H,W] as a gray PNG file of 16 bits."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array, np.uint16)).save(stream, "png", compress_level=6)
    return stream.getvalue()


def read_gray16(path: Path | str) -> Words:
    """Return a gray PNG file of 16 bits as an array [H,W]; fewer bits are refused, for they have another unit."""
    mode, values = stored_pixels(path, "a gray PNG file of 16 bits", _REMEDY)
    if mode not in ("I;16", "I;16B", "I") or values.ndim != 2:
        raise DataError(f"{path} has pixels of mode {mode}", "a gray PNG file of 16 bits", _REMEDY)
    if values.size and not 0 <= int(values.min()) <= int(values.max()) <= 65535:
        raise DataError(f"{path} has values beyond 16 bits", "a gray PNG file of 16 bits", _REMEDY)
    return values.astype(np.uint16)


def kitti_flow_encode(flow: NDArray[np.float32], valid: NDArray[np.bool_]) -> Words:
    """Return flow [H,W,2] as KITTI stores it [H,W,3]: 64 steps per pixel around 2^15, and 1 where valid.

    Flow beyond 512 pixels has no code and counts as invalid.
    """
    known = valid & np.isfinite(flow).all(axis=2)
    codes = np.floor(np.where(known[:, :, None], flow, 0.0).astype(np.float64) * _KITTI_STEPS + 0.5) + _KITTI_ZERO
    known &= ((codes >= 0) & (codes <= 65535)).all(axis=2)
    stored = np.zeros((*known.shape, 3), np.uint16)
    stored[:, :, :2] = np.where(known[:, :, None], codes, 0.0).astype(np.uint16)
    stored[:, :, 2] = known
    return stored


def kitti_flow_decode(stored: Words) -> NDArray[np.float32]:
    """Return flow [H,W,2] in pixels, NaN where it is not known: such pixels are stored as zeros."""
    flow = (stored[:, :, :2].astype(np.float32) - np.float32(_KITTI_ZERO)) * np.float32(1.0 / _KITTI_STEPS)
    flow[stored[:, :, 2] == 0] = np.nan
    return flow
