"""Pictures that nobody would take: of formats that start programs, of claims beyond all memory, and damaged ones."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n0 0 moveto\nshowpage\n%%EOF\n"


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *more: bytes, depth: int = 8, colour: int = 2, lines: bytes | None = None) -> bytes:
    """Return a PNG file of zeros, or of given lines, with more chunks before its pixels."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = 1 + (width * channels * depth + 7) // 8
    packed = zlib.compressobj(9)
    body = packed.compress(lines) if lines is not None else b"".join(zeros(packed, row * height))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
        + b"".join(more)
        + chunk(b"IDAT", body + packed.flush())
        + chunk(b"IEND", b"")
    )


def zeros(packed: Any, count: int) -> list[bytes]:
    """Return so many zeros, packed without ever being there at once."""
    block = bytes(1 << 20)
    return [packed.compress(block[: min(len(block), count - at)]) for at in range(0, count, len(block))]


def tiff(fields: dict[int, tuple[int, list[int]]], tail: bytes = bytes(64)) -> bytes:
    """Return a TIFF file with these fields: number to type (3 short, 4 long) and values."""
    count, body, extra = len(fields), b"", b""
    base = 8 + 2 + 12 * count + 4
    for number, (kind, values) in sorted(fields.items()):
        packed = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(packed) > 4:
            place, extra = base + len(extra), extra + packed
            packed = struct.pack("<I", place)
        body += struct.pack("<HHI", number, kind, len(values)) + packed.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<IH", 8, count) + body + bytes(4) + extra + tail


def plain_tiff(width: int, height: int, **more: tuple[int, list[int]]) -> bytes:
    """Return a grey TIFF of one strip that is not there, with more or other fields (named `f322`)."""
    fields = {
        256: (4, [width]), 257: (4, [height]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1]), 273: (4, [8]),
        277: (3, [1]), 278: (4, [height]), 279: (4, [width * height % (1 << 32)]),
    }  # fmt: skip
    return tiff(fields | {int(name[1:]): value for name, value in more.items()})


def saved(kind: str, mode: str = "RGB", size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    """Return a small picture of noise as Pillow writes it."""
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def jpeg(width: int, height: int, scans: int = 1) -> bytes:
    """Return a progressive JPEG of another size than its pixels, whose last scan stands there again and again."""
    content = bytearray(saved("JPEG", progressive=True, quality=5))
    frame = content.index(b"\xff\xc2")
    content[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    last = content.rindex(b"\xff\xda")
    return bytes(content[:last] + content[last:-2] * scans + content[-2:])


def webp(width: int, height: int) -> bytes:
    """Return an extended WebP file that claims a canvas."""
    inner = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (width - 1).to_bytes(3, "little")
    inner += (height - 1).to_bytes(3, "little") + saved("WEBP")[12:]
    return b"RIFF" + struct.pack("<I", 4 + len(inner)) + b"WEBP" + inner


def bmp(width: int, height: int, packing: int = 0, body: bytes = b"") -> bytes:
    """Return a BMP file of eight bits that claims a size."""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, packing, len(body), 1, 1, 256, 0)
    return b"BM" + struct.pack("<IHHI", 14 + 40 + 1024 + len(body), 0, 0, 14 + 40 + 1024) + head + bytes(1024) + body


def gif(width: int, height: int, body: bytes = b"\x02\x02\x4c\x01\0") -> bytes:
    """Return a GIF file that claims a size."""
    size = struct.pack("<HH", width, height)
    return b"GIF89a" + size + b"\x80\0\0" + bytes(6) + b"," + bytes(4) + size + b"\0" + body + b";"


def animated(frames: int) -> bytes:
    """Return a GIF of many frames."""
    stream = io.BytesIO()
    first, *others = [Image.new("L", (64, 64), number % 256) for number in range(frames)]
    first.save(stream, "GIF", save_all=True, append_images=others)
    return stream.getvalue()


def text_png() -> bytes:
    """Return a PNG with texts, a profile and a note that unpack to a hundred megabytes each."""
    bomb = zlib.compress(bytes(100 << 20), 9)
    return png(8, 8, chunk(b"zTXt", b"a\0\0" + bomb), chunk(b"iCCP", b"a\0\0" + bomb), chunk(b"eXIf", b"II*\0" * 1000),
               chunk(b"iTXt", b"a\0\1\0\0\0" + bomb))  # fmt: skip


CLAIMS: dict[str, Callable[[], bytes]] = {
    "a PNG of one column": lambda: png(1, 60_000_000, colour=0),
    "a PNG of one row": lambda: png(60_000_000, 1, colour=0),
    "a PNG of 160 million pixels": lambda: png(12_600, 12_600, colour=0),
    "a PNG of 4 billion columns": lambda: png((1 << 31) - 1, 1, lines=b"\0"),
    "a PNG of 16 bits": lambda: png(12_000, 12_000, depth=16, colour=6, lines=bytes(100)),
    "a TIFF of 175 million pixels": lambda: plain_tiff(13_229, 13_229, f259=(3, [8])),
    "a TIFF of tiles of a gigabyte": lambda: plain_tiff(9, 9, f322=(4, [1 << 16]), f323=(4, [1 << 15]), f324=(4, [8]),
                                                         f325=(4, [64]), f259=(3, [8])),
    "a TIFF of a million tiles": lambda: plain_tiff(9000, 9000, f273=(4, [8] * (1 << 20))),
    "a TIFF packed by a rare method": lambda: plain_tiff(9, 9, f259=(3, [34925])),
    "a BigTIFF": lambda: b"II+\0" + plain_tiff(9, 9)[4:],
    "a TIFF whose fields point to themselves": lambda: b"II*\0" + struct.pack("<I", 0) + bytes(100),
    "a JPEG of 4 billion pixels": lambda: jpeg(65_535, 65_535),
    "a JPEG of a thousand scans": lambda: jpeg(4000, 4000, 1000),
    "a JPEG of many scans of 60 million pixels": lambda: jpeg(9331, 6530, 60),
    "a WebP of 268 million pixels": lambda: webp(16_383, 16_383),
    "a WebP of 281 trillion pixels": lambda: webp(1 << 24, 1 << 24),
    "a BMP of 4 quintillion pixels": lambda: bmp((1 << 31) - 1, (1 << 31) - 1),
    "a packed BMP of 1 row": lambda: bmp(1 << 30, 1, 1, b"\xff\0" * 100),
    "a GIF of 4 billion pixels": lambda: gif(65_535, 65_535),
    "a PPM of a trillion pixels": lambda: b"P6 1000000 1000000 255\n" + bytes(100),
    "a PPM of a number of a million digits": lambda: b"P6 " + b"9" * 1_000_000 + b" 1 255\n",
    "a PPM of numbers as text": lambda: b"P3 1 40000 255\n" + b"1 " * 100,
}  # fmt: skip
"""Files of kilobytes, each of which is refused; what they claim takes gigabytes or hours."""

HEAVY: dict[str, Callable[[], bytes]] = {
    "the largest WebP": lambda: saved("WEBP", size=(6300, 6300), quality=1, method=0),
    "texts and profiles that unpack to much": text_png,
    "three hundred frames": lambda: animated(300),
    "a JPEG as large as ImageNet's largest": lambda: jpeg(9331, 6530),
    "the largest PNG": lambda: png(10_600, 10_600),
    "the largest grey PNG": lambda: png(8100, 8100, colour=0),
    "the largest PNG with transparency": lambda: png(8100, 8100, colour=6),
    "the largest PNG with a palette": lambda: png(8100, 8100, chunk(b"PLTE", bytes(768)), chunk(b"tRNS", bytes(256)),
                                                  colour=3),
    "the largest PNG of 16 bits": lambda: png(8100, 8100, depth=16, colour=0),
    "the highest PNG": lambda: png(1000, 1 << 15),
    "the widest PNG": lambda: png(1 << 15, 1000),
    "the largest JPEG": lambda: saved("JPEG", size=(10_600, 10_600)),
    "a packed BMP": lambda: bmp(8100, 8100, 1, b"\xff\0" * 250_000),
    "a packed BMP of single steps": lambda: bmp(8100, 8100, 1, b"\x01\0" * 1_000_000),
    "a PPM of numbers as text": lambda: b"P3 1000 1000 255\n" + b"1 " * 3_000_000,
    "a PNG in a hundred thousand pieces": lambda: png(8, 8, chunk(b"teXt", b"") * 100_000),
    "a TIFF of many strips": lambda: plain_tiff(9, 30_000, f273=(4, [8] * 30_000), f278=(3, [1]),
                                                 f279=(4, [9] * 30_000)),
}  # fmt: skip
"""Files within the bounds, whose reading is to take seconds and less than a gigabyte; some are damaged."""
