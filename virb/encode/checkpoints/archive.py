"""Checkpoints: torch's zip archives of which every byte has one meaning.

A zip file is read from its end, with places counted from its beginning: in two archives behind one another, or in one
behind other bytes, torch finds other entries than Python does. What is not one whole archive is refused.
"""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from virb.core.text import cut
from virb.encode.checkpoints.machine import NotRead

MOST_ENTRIES = 200_000
_END, _LOCATOR, _END64, _LOCAL = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06", b"PK\x03\x04"
_DESCRIBED, _ENCRYPTED = 1 << 3, 1
_SATURATED = 0xFFFFFFFF
_TAILS = (0, 12, 16, 20, 24)
"""Bytes between an entry and the next one's header: a descriptor of its size, where its header does not say it."""


@dataclass(frozen=True)
class ZipEntry:
    """One stored part of an archive, and where its bytes lie."""

    start: int
    size: int
    checksum: int
    stored: bool


def entries_of(stream: IO[bytes]) -> dict[str, ZipEntry]:
    """Return the entries of one whole archive; anything before, between or behind them is an error."""
    with zipfile.ZipFile(stream) as archive:
        infos = archive.infolist()
    if len(infos) > MOST_ENTRIES:
        raise NotRead(f"its archive has {len(infos):,} entries")
    _refuse_shared_names(infos)
    end = _directory(stream, len(infos))
    return dict(_checked(stream, infos, end))


def _refuse_shared_names(infos: list[zipfile.ZipInfo]) -> None:
    """Refuse names that readers tell apart in different ways: torch's does not see capitals."""
    seen: set[str] = set()
    for info in infos:
        name = info.filename.lower()
        if not name or info.filename != info.orig_filename:
            raise NotRead(f"an entry of its archive has the unusable name {cut(ascii(info.orig_filename[:100]))}")
        if name in seen:
            raise NotRead(f"two entries of its archive share the name {cut(name)}")
        seen.add(name)


def _directory(stream: IO[bytes], count: int) -> int:
    """Return where the entries end and their directory begins, which must end where the file does."""
    end = stream.seek(-22, os.SEEK_END)
    mark, *_, entries, length, start, comment = struct.unpack("<4s4H2LH", stream.read(22))
    if mark != _END or comment:
        raise NotRead("bytes stand behind the end of its archive, which torch.save never writes")
    if end >= 76:
        stream.seek(end - 76)
        record, locator = stream.read(56), stream.read(20)
        if locator[:4] == _LOCATOR:
            (place,) = struct.unpack("<Q", locator[8:16])
            large = struct.unpack("<3Q", record[32:56])
            alike = all(
                a in (b, limit)
                for a, b, limit in zip((entries, length, start), large, (0xFFFF, _SATURATED, _SATURATED), strict=True)
            )
            if record[:4] != _END64 or not alike:
                raise NotRead("the directory of its archive is described in two ways")
            end, (entries, length, start) = end - 76, large
            entries = entries if place == end else -1
    if start + length != end or entries != count:
        raise NotRead("the directory of its archive is not where it says: it is no archive, or more than one")
    return int(start)


def _checked(stream: IO[bytes], infos: list[zipfile.ZipInfo], end: int) -> Iterator[tuple[str, ZipEntry]]:
    """Yield every entry as its own header and the directory tell alike, one right behind the other from byte 0."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    starts = [info.header_offset for info in ordered]
    if starts[:1] != [0]:
        raise NotRead("its archive does not begin at its first byte")
    for info, behind in zip(ordered, [*starts[1:], end], strict=True):
        start = _start(stream, info)
        if behind - start - info.compress_size not in (_TAILS if info.flag_bits & _DESCRIBED else _TAILS[:1]):
            raise NotRead(f"bytes of its archive belong to no entry, or to two, at {cut(info.filename)}")
        stored = info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & _ENCRYPTED
        yield info.filename, ZipEntry(start, info.file_size, info.CRC, stored)


def _start(stream: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Return where an entry's bytes begin: behind its own header, which must say what the directory says."""
    stream.seek(info.header_offset)
    header = stream.read(30)
    if len(header) < 30 or header[:4] != _LOCAL:
        raise NotRead("the directory of its archive is broken")
    flags, method, _, checksum, packed, size, letters, extra = struct.unpack("<2H4s3L2H", header[6:])
    name = stream.read(letters)
    same = (flags, method) == (info.flag_bits, info.compress_type)
    same = same and name == info.orig_filename.encode("utf-8" if flags & 0x800 else "cp437")
    if not flags & _DESCRIBED:
        sizes = zip((packed, size), (info.compress_size, info.file_size), strict=True)
        same = same and checksum == info.CRC and all(own in (told, _SATURATED) for own, told in sizes)
    if not same:
        raise NotRead(f"its archive says two things of its entry {cut(info.filename)}")
    return int(info.header_offset + 30 + letters + extra)
