"""Formats: what a picture file claims, looked at before a decoder believes it.

Decoders make room for what a header names, so that a few kilobytes can take gigabytes, and a scan of nothing at all
takes as long as a whole picture. What is refused here stands in no data set.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

_LONGEST = 1 << 15
"""Pixels of a side: pictures of ImageNet, SUN and COCO have fewer than 20,000; resizing takes memory by the side."""
_MEMORY = 800_000_000
"""Bytes that a picture may take while it is decoded: 114 million pixels of plain RGB, 61 of a progressive JPEG."""
WEBP = 20
"""Bytes of memory for a pixel of a WebP picture, whose decoder keeps two frames."""
_SCANS, _WORK = 100, 1 << 30
"""Scans of a JPEG, of which usual ones have ten at most, and pixels that all of them may run over."""
_JPEG, _SCAN = b"\xff\xd8\xff", b"\xff\xda"
_COEFFICIENTS = 6
"""Bytes of a pixel that a JPEG of several scans keeps until the last of them."""
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_BIG_TIFF = (b"II+\0", b"MM\0+")
_TAGS, _VALUES = 1024, 1 << 16
"""Fields of a TIFF and numbers in one: a strip of each row of the highest picture would be half as many."""
_KINDS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of one value of each type of field."""
_COMPRESSION, _PLAIN = 259, (1, 5, 7, 8, 32773, 32946)
"""Stored, LZW, JPEG, both deflates and pack bits: what TIFF pictures of data sets are packed by."""
_BOUNDED = (322, 323)
"""Width and height of a tile, for which libtiff makes room whatever the picture's own size."""
_BLOBS = (2, 7, 34675, 33723, 34377, 700)
"""Notes, profiles and what editors leave: bytes that are never read as numbers."""


def too_large(width: int, height: int, each: int) -> str:
    """Return why a picture of this size is not decoded, at so many bytes of memory for each pixel, or nothing."""
    if max(width, height) > _LONGEST:
        return f"it claims {width:,} x {height:,} pixels, and a side may have {_LONGEST:,}"
    if width * height * each > _MEMORY:
        return f"it claims {width:,} x {height:,} pixels, and {_MEMORY // each:,} of its kind are the most"
    return ""


def odd_scans(content: bytes, width: int, height: int, each: int) -> str:
    """Return why a JPEG's scans would take too long, or too much memory beside that of each pixel, or nothing.

    The two bytes that begin a scan stand nowhere in packed data; pictures within a picture are counted with it.
    """
    if not content.startswith(_JPEG):
        return ""
    scans = content.count(_SCAN)
    most = min(_SCANS, max(20, _WORK // max(1, width * height)))
    if scans > most:
        return f"it holds {scans:,} scans of its pixels, and {most} are the most"
    return too_large(width, height, each + _COEFFICIENTS) if scans > 1 else ""


def odd_claims(stream: BinaryIO) -> str:
    """Return what a file claims, beside its size, that no decoder should believe, or nothing; rewinds the stream."""
    head = stream.read(32)
    found = ""
    if head[:4] in _BIG_TIFF:
        found = "it is a BigTIFF, which is not read"
    elif head[:4] in _TIFF:
        found = _odd_tiff(stream, _TIFF[head[:4]], head)
    elif head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) >= 30:
        width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
        found = too_large(width, height, WEBP)
    stream.seek(0)
    return found


def _odd_tiff(stream: BinaryIO, order: str, head: bytes) -> str:
    """Look at the fields of the first picture, the only one that is read."""
    stream.seek(int.from_bytes(head[4:8], "little" if order == "<" else "big"))
    (count,) = struct.unpack(order + "H", stream.read(2).rjust(2, b"\0"))
    fields = stream.read(12 * min(count, _TAGS))
    if count > _TAGS:
        return f"it has {count:,} fields"
    for start in range(0, len(fields) - 11, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", fields, start)
        if values > _VALUES and kind not in (2, 7) and not (kind == 1 and tag in _BLOBS):
            return f"its field {tag} has {values:,} values"
        (value,) = struct.unpack_from(order + ("H" if kind == 3 else "I"), fields, start + 8)
        if tag == _COMPRESSION and value not in _PLAIN:
            return f"it is packed by method {value} of TIFF, which is not read"
        if tag in _BOUNDED and value > _LONGEST:
            return f"it claims tiles with a side of {value:,} pixels"
    return ""
