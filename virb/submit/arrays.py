"""Submit: per-sample statistics out of an npz file from strangers: numbers and words, never objects."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import IO

import numpy as np

from virb.submit.container import BundleError, check_end, refuse

_MOST_ARRAYS, _LONGEST_NAME = 64, 120
_MOST_BYTES = 2 << 30
"""Of all arrays of a file together, unpacked."""
_KINDS = "iufU"
_LARGEST_HEADER = 4096
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ValueError,
    EOFError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    LookupError,
    TypeError,
    MemoryError,
)


def read_arrays(content: bytes, where: str) -> dict[str, np.ndarray]:
    """Return the arrays of an npz file; what is larger than it says, or no plain array, is refused unread."""
    try:
        stream = io.BytesIO(content)
        check_end(stream, where, _MOST_ARRAYS, _LONGEST_NAME)
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            if len(set(names)) != len(names) or not all(name.endswith(".npy") for name in names):
                refuse(where, "holds two arrays of one name, or what is no array")
            if (size := sum(member.file_size for member in members)) > _MOST_BYTES:
                refuse(where, f"would unpack to {size:,} bytes")
            return {member.filename.removesuffix(".npy"): _array(archive, member, where) for member in members}
    except BundleError:
        raise
    except _DAMAGE as error:
        refuse(where, f"cannot be read as arrays: {str(error)[:200] or type(error).__name__}", error)


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> np.ndarray:
    with archive.open(member) as stream:
        shape, fortran, kind = _head(stream)
        length = int(np.prod([int(side) for side in shape], dtype=object)) * kind.itemsize
        if kind.kind not in _KINDS or fortran or kind.itemsize == 0 or min(shape, default=0) < 0:
            refuse(where, f"holds {member.filename} of type {kind} and shape {shape}")
        if length != member.file_size - stream.tell():
            refuse(where, f"holds {member.filename}, which says its shape is {shape} and is of another size")
        data = stream.read(length)
        if len(data) != length or stream.read(1):
            refuse(where, f"holds {member.filename}, which is not as long as it says")
    array = np.frombuffer(data, kind).reshape(shape)
    if kind.kind == "U" and bool((array.view(np.uint32) > 0x10FFFF).any()):
        refuse(where, f"holds {member.filename}, whose words are no text")
    return array


def _head(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Return shape, order and type of an array; numpy reads them as literals, never as code."""
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"arrays of version {version}")
    try:
        shape, fortran, kind = read(stream, max_header_size=_LARGEST_HEADER)
    except Exception as error:  # numpy reads a header as Python's literals, whose tokenizer stumbles in its own ways
        raise ValueError(f"a header that is none ({type(error).__name__})") from error
    return shape, fortran, kind
