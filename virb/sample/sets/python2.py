"""Sample (data): pickles as Python 2 wrote them, which is how some owners ship their data.

Written opcode by opcode: a pickle made by this Python would name other modules with each version of numpy.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Value: TypeAlias = "str | int | Sequence[str] | Sequence[int] | NDArray[np.uint8]"


def python2_pickle(content: Mapping[str, Value]) -> bytes:
    """Return a protocol 2 pickle of a dictionary of strings, whole numbers, lists of either, and byte arrays."""
    pairs = b"".join(_string(key) + _value(value) for key, value in content.items())
    return b"\x80\x02}(" + pairs + b"u."


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        return _whole(value)
    if isinstance(value, np.ndarray):
        return _array(value)
    return b"](" + b"".join(_string(one) if isinstance(one, str) else _whole(one) for one in value) + b"e"


def _string(text: str) -> bytes:
    return _raw(text.encode("ascii"))


def _raw(data: bytes) -> bytes:
    """Return a byte string, which Python 3 reads as text or as bytes, whichever it is told."""
    if len(data) < 256:
        return b"U" + struct.pack("<B", len(data)) + data
    return b"T" + struct.pack("<i", len(data)) + data


def _whole(number: int) -> bytes:
    return b"K" + struct.pack("<B", number) if 0 <= number < 256 else b"J" + struct.pack("<i", number)


def _array(array: NDArray[np.uint8]) -> bytes:
    """Return a byte array as numpy of that time wrote it: an empty one, then its state."""
    kind = b"cnumpy\ndtype\n" + _raw(b"u1") + _whole(0) + _whole(1) + b"\x87R"
    kind += b"(" + _whole(3) + _raw(b"|") + b"NNN" + _whole(-1) + _whole(-1) + _whole(0) + b"tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + _whole(0) + b"\x85" + _raw(b"b") + b"\x87R"
    shape = b"(" + b"".join(map(_whole, array.shape)) + b"t"
    return empty + b"(" + _whole(1) + shape + kind + b"\x89" + _raw(np.ascontiguousarray(array).tobytes()) + b"tb"
