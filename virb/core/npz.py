"""Arrays: per-sample statistics out of an npz file from strangers: numbers and words, never objects."""

from __future__ import annotations

import io
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np

from virb.core.files import open_file

LARGEST_RECORD, LARGEST_ARRAYS = 16 << 20, 512 << 20
"""Bytes of a record and of the npz beside it: far above any honest file."""
_MOST_ARRAYS, _LONGEST_NAME = 64, 120
_MOST_BYTES = 512 << 20
"""Of all arrays of a file together, unpacked."""
_KINDS = "iufU"
_LARGEST_HEADER = 4096
_END = struct.Struct("<4s4H2LH")
_LARGE_END = b"PK\x06\x07"
ZIP_DAMAGE = (
    zipfile.BadZipFile,
    struct.error,
    ValueError,
    EOFError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    LookupError,
)
"""What the library raises on a zip file that is not what it says."""
_DAMAGE = (*ZIP_DAMAGE, zlib.error, TypeError, MemoryError)


class DamagedFile(ValueError):
    """A file that is not what it should be; the text goes on from its name: `x.npz holds two arrays of one name`."""


def read_bounded(path: Path, most: int) -> bytes:
    """Return a file's content, unless it is larger than any honest one."""
    with open_file(path) as stream:
        if (size := os.fstat(stream.fileno()).st_size) > most:
            raise DamagedFile(f"is of {size:,} bytes, where {most:,} are the most")
        return stream.read(size)


def read_arrays(content: bytes, wanted: Iterable[str] | None = None, most: int = _MOST_BYTES) -> dict[str, np.ndarray]:
    """Return the arrays of an npz file, or the wanted ones that it holds; what is larger than it says is refused."""
    try:
        stream = io.BytesIO(content)
        check_end(stream, _MOST_ARRAYS, _LONGEST_NAME)
        with zipfile.ZipFile(stream) as archive:
            members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
            if len(members) != len(archive.filelist) or not all(
                one.filename.endswith(".npy") for one in members.values()
            ):
                raise DamagedFile("holds two arrays of one name, or what is no array")
            if (size := sum(member.file_size for member in members.values())) > min(most, _MOST_BYTES):
                raise DamagedFile(f"would unpack to {size:,} bytes")
            names = members if wanted is None else [name for name in wanted if name in members]
            return {name: _array(archive, members[name]) for name in names}
    except DamagedFile:
        raise
    except _DAMAGE as error:
        raise DamagedFile(f"cannot be read as arrays: {str(error)[:200] or type(error).__name__}") from error


def check_end(stream: IO[bytes], most: int, longest: int) -> int:
    """Return how many members a zip file says it has, before its directory is read into memory.

    The directory must end where the end record begins: nothing between, no comment, no extension for large files.
    """
    size = stream.seek(0, 2)
    tail = min(size, _END.size + 20)
    stream.seek(size - tail)
    block = stream.read(tail)
    if size < _END.size or block[-_END.size : -_END.size + 4] != b"PK\x05\x06":
        raise DamagedFile("is no zip file, or not whole")
    _, disk, first, here, count, length, offset, comment = _END.unpack(block[-_END.size :])
    if count > most or length > count * (46 + longest):
        raise DamagedFile(f"holds more than {most:,} files, or names of absurd length")
    if (disk, first, comment) != (0, 0, 0) or here != count or offset + length + _END.size != size:
        raise DamagedFile("has a directory that is not where it says")
    if block.startswith(_LARGE_END):
        raise DamagedFile("has a second directory")
    stream.seek(0)
    return int(count)


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as stream:
        begin = stream.read(_LARGEST_HEADER)
        shape, fortran, kind, start = _head(begin)
        length = math.prod(shape) * kind.itemsize
        if kind.kind not in _KINDS or fortran or kind.itemsize == 0 or min(shape, default=0) < 0:
            raise DamagedFile(f"holds {member.filename} of type {kind} and shape {shape}")
        if length != member.file_size - start:
            raise DamagedFile(f"holds {member.filename}, which says its shape is {shape} and is of another size")
        data = begin + stream.read(start + length - len(begin)) if len(begin) < start + length else begin
        if len(data) != start + length or stream.read(1):
            raise DamagedFile(f"holds {member.filename}, which is not as long as it says")
    array = np.frombuffer(data, kind, offset=start).reshape(shape)
    if kind.kind == "U" and bool((array.view(np.uint32) > 0x10FFFF).any()):
        raise DamagedFile(f"holds {member.filename}, whose words are no text")
    return array


Head = tuple[tuple[int, ...], bool, np.dtype[np.generic], int]
"""Shape, order and type of an array, and where its numbers begin."""
_PREFIX = {(1, 0): struct.Struct("<H"), (2, 0): struct.Struct("<L")}
"""How long the text of the header is, by version."""


def _head(begin: bytes) -> Head:
    magic = np.lib.format.MAGIC_LEN
    version = np.lib.format.read_magic(io.BytesIO(begin[:magic]))
    if (prefix := _PREFIX.get(version)) is None:
        raise ValueError(f"arrays of version {version}")
    (length,) = prefix.unpack_from(begin, magic)
    return _parsed(version, begin[magic : magic + prefix.size + length])


@lru_cache(maxsize=1024)
def _parsed(version: tuple[int, int], content: bytes) -> Head:
    """Return what a header says; numpy reads it as literals, never as code. Most records' headers are the same few."""
    stream = io.BytesIO(content)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, kind = read(stream, max_header_size=_LARGEST_HEADER)
    except Exception as error:  # numpy reads a header as Python's literals, whose tokenizer stumbles in its own ways
        raise ValueError(f"a header that is none ({type(error).__name__})") from error
    return shape, fortran, kind, np.lib.format.MAGIC_LEN + stream.tell()
