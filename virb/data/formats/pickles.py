"""Formats: pickles of numbers, texts and arrays, and of nothing else.

Numpy's own types follow pointers that a file chose. Here an array is made of a shape, the name of a kind of whole
numbers or fractions, and its bytes; nothing of numpy's is called with what the file says.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from virb.core.errors import DataError
from virb.core.pickles import BrokenPickle, Budget, Machine

_MOST_STEPS = 1_000_000
"""Three times those of CIFAR-100 in the most wordy protocol."""
_KINDS = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
_PLAIN = "numbers, texts and arrays only"
_EMPTY_ARRAYS = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
_NAMES = (*_EMPTY_ARRAYS, "numpy.ndarray", "numpy.dtype", "_codecs.encode")


def load_plain(content: bytes) -> Any:
    """Return what a pickle holds, if that is plain data and arrays; anything else is refused by name."""
    try:
        made = Machine(_Arrays(2 * len(content)), Budget(_MOST_STEPS + 1), plain=True).run(content)  # + 1 to stop
    except BrokenPickle as error:
        raise DataError(str(error), _PLAIN) from error
    if isinstance(made, dict):
        return {key: value.values if isinstance(value, _Array) else value for key, value in made.items()}
    return made.values if isinstance(made, _Array) else made


class _Array:
    """An array, empty until its state comes."""

    def __init__(self) -> None:
        self.values = np.zeros(0, np.uint8)

    def fill(self, state: Any) -> None:
        """Take version, shape, kind, whether columns come first, and bytes."""
        if not isinstance(state, tuple) or len(state) != 5:
            raise BrokenPickle("holds an array without shape, kind and bytes")
        _, shape, kind, columns, content = state
        sides = isinstance(shape, tuple) and all(type(side) is int and 0 <= side < 1 << 40 for side in shape)
        if not sides or len(shape) > 4 or not isinstance(kind, np.dtype) or not isinstance(content, bytes):
            raise BrokenPickle("holds an array without shape, kind and bytes")
        if math.prod(shape) * kind.itemsize != len(content):
            raise BrokenPickle(f"holds an array of {len(content):,} bytes that says it has others")
        self.values = np.frombuffer(content, kind).reshape(shape, order="F" if columns else "C")


class _Arrays:
    """Arrays, kinds of numbers and old bytes are all that a pickle may name; bytes made of texts have their room."""

    def __init__(self, room: int) -> None:
        self.room = room

    def named(self, dotted: str) -> str:
        """Let the five names pass."""
        if dotted not in _NAMES:
            raise DataError(f"asks to run {dotted[:100]!r}, which is not run", _PLAIN)
        return dotted

    def called(self, dotted: str, arguments: tuple[Any, ...]) -> Any:
        """Return an empty array, a kind of numbers, or bytes."""
        if dotted in _EMPTY_ARRAYS:
            return _Array()
        if dotted == "numpy.dtype":
            return _kind(*arguments[:1])
        if dotted == "_codecs.encode":
            return self._encoded(*arguments)
        raise BrokenPickle(f"is broken (a call of {dotted})")

    def built(self, target: Any, state: Any) -> None:
        """Fill an array; the state of a kind of numbers has flags that make numpy follow numbers as pointers."""
        if isinstance(state, tuple) and state and isinstance(state[-1], str):  # bytes as Python 2 wrote them
            state = (*state[:-1], self._encoded(state[-1], "latin1"))
        if isinstance(target, _Array):
            target.fill(state)
        elif not isinstance(target, np.dtype):
            raise BrokenPickle(f"is broken (a state for a {type(target).__name__})")

    def referred(self, identity: Any) -> Any:
        """Refuse it."""
        raise DataError("refers to something outside itself", _PLAIN)

    def _encoded(self, text: object, encoding: object) -> bytes:
        """Stand in for `_codecs.encode`, which would look up any codec: this is how Python 3 writes old bytes."""
        if encoding != "latin1" or not isinstance(text, str):
            found = (
                encoding[:40] if isinstance(encoding, str) else type(encoding).__name__
            )  # a text of it may never end
            raise DataError(f"asks for the text encoding {found!r}", "latin1 only")
        self.room -= len(text)  # one text can be asked for again and again
        if self.room < 0:
            raise BrokenPickle("asks for more bytes than it is long")
        return text.encode("latin1")


def _kind(name: object) -> np.dtype[Any]:
    """Return a kind of numbers by its name."""
    if not isinstance(name, str | bytes):
        raise BrokenPickle("is broken (a kind of numbers without a name)")
    text = name.decode("latin1") if isinstance(name, bytes) else name
    if text not in _KINDS:
        raise DataError(f"asks for an array of {text[:40]!r}", _PLAIN)
    return np.dtype(text)
