"""Matlab: the part of MATLAB's files of version 5 that data sets use, read by bounds-checked code of our own.

The usual reader is compiled and ends the whole process on some damaged files. Here every length is held against what
is there, what is packed unpacks to a bounded size, and what is not needed (objects, sparse and complex numbers) is
refused.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from virb.core.errors import DataError
from virb.core.files import read_bytes

_TEXT = b"MATLAB 5.0 MAT-file, written by virb".ljust(116)
_HEAD = 128
_LARGEST = 1 << 26
"""Bytes of a file, and of what it may unpack to; those of data sets have a few hundred thousand."""
_GROWTH = 8
"""Times that, which numbers and letters may take when they are made of it."""
_LETTER, _WIDE = 24, "utf-32-le"
"""Bytes that a letter takes while it becomes a text, and how it is kept meanwhile."""
_DEEPEST = 16
_MOST_PARTS = 1 << 18
"""Arrays in one file: each costs Python objects, and ten microseconds."""
_STORED = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8", 16: "u1", 17: "u2",
    18: "u4",
}  # fmt: skip
"""Numbers of the element types to what one value is."""
_NUMBERS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""Numbers of the array classes to what MATLAB calls double, single, int8, ..."""
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE = 1, 2, 3, 4, 5
_MATRIX, _PACKED = 14, 15
_COMPLEX = 0x0800


class _Damaged(Exception):
    """What is wrong with a file, as the rest of a sentence."""


def read_mat(path: Path | str) -> dict[str, Any]:
    """Return the variables of a MATLAB file of version 5.

    A struct, of one record or many, becomes a list of dictionaries; every array keeps its two dimensions. What a
    squeeze makes of a single record (no list at all) is how readers of such files usually fail.
    """
    try:
        if Path(path).stat().st_size > _LARGEST:
            raise _Damaged("it is far too large")
        return _Reader(read_bytes(path)).variables()
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"cannot read {path}: {reason}", _EXPECTED, "fetch or unpack the file again") from error
    except _Damaged as error:
        raise DataError(f"cannot read {path}: {error}", _EXPECTED, "fetch or unpack the file again") from error


_EXPECTED = "a MATLAB file of version 5 (not 7.3)"


@dataclass(frozen=True)
class _Element:
    """A piece of the file: its type, and its bytes."""

    kind: int
    body: memoryview


class _Reader:
    """The elements of one file, with what may still be unpacked and made of it."""

    def __init__(self, content: bytes) -> None:
        self.room, self.parts, self.made = _LARGEST, _MOST_PARTS, _LARGEST * _GROWTH
        marks = {b"IM": "<", b"MI": ">"}
        if len(content) < _HEAD or content[126:128] not in marks:
            raise _Damaged("it does not begin as such a file does")
        self.order = marks[content[126:128]]
        if struct.unpack(self.order + "H", content[124:126])[0] != 0x0100:
            raise _Damaged("it is of another version")
        self.content = memoryview(content)[_HEAD:]

    def variables(self) -> dict[str, Any]:
        found = {}
        for element in self._elements(self.content):
            inner = self._unpacked(element)
            if inner.kind != _MATRIX:
                raise _Damaged(f"it holds an element of type {inner.kind} where a variable should be")
            name, value = self._array(inner.body, 0)
            if not name.startswith("__"):
                found[name] = value
        return found

    def _unpacked(self, element: _Element) -> _Element:
        if element.kind != _PACKED:
            return element
        try:
            unpacker = zlib.decompressobj()
            content = unpacker.decompress(element.body, self.room)
        except zlib.error as error:
            raise _Damaged(f"a packed variable is damaged ({error})") from error
        if not unpacker.eof:
            raise _Damaged("a packed variable is cut short, or far too large")
        self.room -= len(content)
        inner = list(self._elements(memoryview(content)))
        if len(inner) != 1:
            raise _Damaged(f"a packed variable holds {len(inner)} elements instead of one")
        return inner[0]

    def _elements(self, content: memoryview) -> Iterator[_Element]:
        """Yield the elements that follow one another; a short one has its bytes within its head."""
        place = 0
        while place < len(content):
            if place + 8 > len(content):
                raise _Damaged("it is cut short")
            kind, length = struct.unpack_from(self.order + "II", content, place)
            start = place + 8
            if kind >> 16:
                kind, length, start = kind & 0xFFFF, kind >> 16, place + 4
                if length > 4:
                    raise _Damaged(f"a short element claims {length} bytes")
            if start + length > len(content):
                raise _Damaged("it is cut short")
            yield _Element(kind, content[start : start + length])
            # Everything but what is packed begins at a multiple of eight bytes.
            place = start + length if kind == _PACKED else -(-(start + length) // 8) * 8

    def _array(self, body: memoryview, depth: int) -> tuple[str, Any]:
        """Return the name and the value of an array: flags, dimensions, name, then what its class wants."""
        self.parts -= 1
        if depth > _DEEPEST or self.parts < 0:
            raise _Damaged("it holds too many arrays, or one in another too often")
        if not body:  # an empty cell or field may be no more than this
            return "", np.zeros((0, 0))
        elements = list(self._elements(body))
        if len(elements) < 3:
            raise _Damaged("an array has no dimensions or no name")
        flags = self._values(elements[0])
        shape = tuple(int(side) for side in self._values(elements[1]))
        name = bytes(elements[2].body).decode("latin1").rstrip("\0")
        if len(flags) != 2 or not 2 <= len(shape) <= 8 or any(side < 0 for side in shape):
            raise _Damaged("the head of an array makes no sense")
        kind, rest = int(flags[0]) & 0xFF, elements[3:]
        if int(flags[0]) & _COMPLEX and kind in _NUMBERS:
            raise _Damaged("it holds complex numbers")
        return name, self._value(kind, shape, rest, depth)

    def _value(self, kind: int, shape: tuple[int, ...], rest: list[_Element], depth: int) -> Any:
        if kind in _NUMBERS:
            values = self._numbers(shape, rest)
            self._spend(values.size * np.dtype(_NUMBERS[kind]).itemsize)
            return values.astype(_NUMBERS[kind])
        if kind == _CHAR:
            return self._words(shape, rest)
        if kind == _CELL:
            return self._cells(shape, rest, depth)
        if kind == _STRUCT:
            return self._records(shape, rest, depth)
        names = {_OBJECT: "an object", _SPARSE: "a sparse array"}
        raise _Damaged(f"it holds {names.get(kind, f'an array of class {kind}')}, which is not read")

    def _numbers(self, shape: tuple[int, ...], rest: list[_Element]) -> np.ndarray:
        values = self._values(rest[0]) if rest else np.zeros(0)
        if len(values) != math.prod(shape):
            raise _Damaged(f"an array of {' x '.join(map(str, shape))} has {len(values)} values")
        return values.reshape(shape, order="F")

    def _spend(self, count: int) -> None:
        self.made -= count
        if self.made < 0:
            raise _Damaged("it holds far too much")

    def _words(self, shape: tuple[int, ...], rest: list[_Element]) -> np.ndarray:
        """Return rows of letters as texts, blanks at their ends cut off."""
        self._spend(_LETTER * len(rest[0].body) if rest else 0)
        if rest and rest[0].kind == 16:
            text = bytes(rest[0].body).decode("utf-8", "replace")
            codes = np.frombuffer(text.encode(_WIDE), "<u4")
        else:
            codes = (self._values(rest[0]) if rest else np.zeros(0)).astype(np.uint16).astype("<u4")
        if len(codes) != math.prod(shape):
            raise _Damaged("a text has another length than it says")
        if shape[-1] == 0:
            return np.zeros(shape[:-1] if shape[0] else (0,), "U1")
        lines = codes.reshape(shape, order="F").reshape(-1, shape[-1])
        self.parts -= len(lines)
        if self.parts < 0:
            raise _Damaged("it holds too many texts")
        return np.array([line.tobytes().decode(_WIDE, "surrogatepass").rstrip() for line in lines]).reshape(shape[:-1])

    def _cells(self, shape: tuple[int, ...], rest: list[_Element], depth: int) -> np.ndarray:
        if len(rest) != math.prod(shape):
            raise _Damaged("a cell array has another number of cells than it says")
        cells = np.empty(len(rest), object)
        for place, element in enumerate(rest):
            cells[place] = self._inner(element, depth)
        return cells.reshape(shape, order="F")

    def _records(self, shape: tuple[int, ...], rest: list[_Element], depth: int) -> list[dict[str, Any]]:
        if len(rest) < 2:
            raise _Damaged("a struct has no names")
        width, names = self._values(rest[0]), bytes(rest[1].body)
        if len(width) != 1 or not 0 < int(width[0]) <= 1024 or len(names) % int(width[0]):
            raise _Damaged("the names of a struct make no sense")
        step = int(width[0])
        fields = [names[start : start + step].split(b"\0")[0].decode("latin1") for start in range(0, len(names), step)]
        count = math.prod(shape)
        if len(rest) - 2 != count * len(fields) or count > _MOST_PARTS:
            raise _Damaged("a struct has another number of values than it says")
        values = iter(rest[2:])
        return [{name: self._inner(next(values), depth) for name in fields} for _ in range(count)]

    def _inner(self, element: _Element, depth: int) -> Any:
        if element.kind != _MATRIX:
            raise _Damaged(f"an element of type {element.kind} stands where an array should be")
        return self._array(element.body, depth + 1)[1]

    def _values(self, element: _Element) -> np.ndarray:
        """Return numbers as they are stored, one after another, in this machine's order of bytes."""
        kind = _STORED.get(element.kind)
        if kind is None or len(element.body) % np.dtype(kind).itemsize:
            raise _Damaged(f"an element of type {element.kind} stands where numbers should be")
        return np.frombuffer(element.body, self.order + kind).astype(kind)


def write_mat(variables: Mapping[str, Any]) -> bytes:
    """Return variables as a MATLAB file of version 5; a list of dictionaries becomes a struct, 1 x N.

    The text at its head, where the library puts the time, is always the same.
    """
    from scipy.io import savemat

    stream: Any = io.BytesIO()  # the stubs know of paths only
    savemat(stream, {name: _matlab(value) for name, value in variables.items()}, format="5")
    content = stream.getvalue()
    return bytes(_TEXT + content[len(_TEXT) :])


def _matlab(value: Any) -> Any:
    if not (isinstance(value, list) and value and all(isinstance(record, Mapping) for record in value)):
        return value
    names = list(value[0])
    records = np.empty((1, len(value)), [(name, object) for name in names])
    for place, record in enumerate(value):
        for name in names:
            records[name][0, place] = _matlab(record[name])
    return records
