"""Formats: pickles of numbers, texts and arrays, read by a machine of our own that knows nothing else.

A pickle is a program. Python's reader can be kept from running functions, but numpy's own types follow pointers that
the file chose, and a few bytes ask for gigabytes or for hours. Here every step makes plain data, an array is made of a
shape, the name of a kind of whole numbers and its bytes, and steps and sizes are counted.
"""

from __future__ import annotations

import io
import math
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

from virb.core.errors import DataError

_MOST_STEPS = 1_000_000
"""Three times those of CIFAR-100 in the most wordy protocol."""
_KINDS = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
_PLAIN = "numbers, texts and arrays only"
_ALLOWED = {
    "numpy.core.multiarray._reconstruct": "array",
    "numpy._core.multiarray._reconstruct": "array",
    "numpy.ndarray": "kind of array",
    "numpy.dtype": "kind of numbers",
    "_codecs.encode": "bytes",
}
"""What a pickle may name, and what it gets: nothing is imported, and nothing of numpy's is called."""
_PUSHES = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT NONE NEWTRUE NEWFALSE STRING BINSTRING "
    "SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8".split()
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}


def load_plain(content: bytes) -> Any:
    """Return what a pickle holds, if that is plain data and arrays; anything else is refused by name."""
    made = _Machine().run(content)
    if isinstance(made, dict):
        return {key: value.values if isinstance(value, _Array) else value for key, value in made.items()}
    return made.values if isinstance(made, _Array) else made


class _Named:
    """One of the functions and types that a pickle may name."""

    def __init__(self, what: str) -> None:
        self.what = what


class _Kind:
    """A kind of numbers by its name; whatever state a pickle gives to it says nothing more."""

    def __init__(self, name: object) -> None:
        if not isinstance(name, str | bytes):
            raise ValueError("a kind of numbers without a name")
        text = name.decode("latin1") if isinstance(name, bytes) else name
        if text not in _KINDS:
            raise DataError(f"asks for an array of {text[:40]!r}", _PLAIN)
        self.dtype = np.dtype(text)

    def fill(self, state: object) -> None:
        """Take no notice: flags in here make numpy follow the file's numbers as pointers."""


class _Array:
    """An array, empty until its state comes."""

    def __init__(self) -> None:
        self.values = np.zeros(0, np.uint8)

    def fill(self, state: object) -> None:
        """Take version, shape, kind, whether columns come first, and bytes."""
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("an array without shape, kind and bytes")
        _, shape, kind, columns, content = state
        sides = isinstance(shape, tuple) and all(type(side) is int and 0 <= side < 1 << 40 for side in shape)
        if not sides or len(shape) > 4 or not isinstance(kind, _Kind) or not isinstance(content, bytes):
            raise ValueError("an array without shape, kind and bytes")
        if math.prod(shape) * kind.dtype.itemsize != len(content):
            raise ValueError(f"an array of {len(content):,} bytes that says it has others")
        self.values = np.frombuffer(content, kind.dtype).reshape(shape, order="F" if columns else "C")


class _Machine:
    """A stack, what lies below its marks, and what is kept by number."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.kept: dict[int, Any] = {}
        self.room = 0

    def run(self, content: bytes) -> Any:
        """Follow a pickle to its end."""
        self.room = 2 * len(content)
        for step, (opcode, value, _) in enumerate(pickletools.genops(io.BytesIO(content))):
            if step > _MOST_STEPS:
                raise ValueError(f"more than {_MOST_STEPS:,} steps")
            if opcode.name == "STOP":
                return self.stack.pop()
            self._step(opcode.name, value)
        raise ValueError("no end")

    def _step(self, name: str, value: Any) -> None:
        if name in _PUSHES:
            self.stack.append(_CONSTANTS.get(name, value))
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.kept[value] = self.stack[-1]
        elif name == "MEMOIZE":
            self.kept[len(self.kept)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.kept[value])
        elif name not in ("PROTO", "FRAME"):
            work = getattr(self, f"_{name.lower()}", None)
            if work is None:
                raise DataError(f"does what no plain data need ({name})", _PLAIN)
            work(*([] if value is None else [value]))

    def _mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def _marked(self) -> list[Any]:
        found, self.stack = self.stack, self.below.pop()
        return found

    def _tuple(self) -> None:
        found = tuple(self._marked())
        self.stack.append(found)

    def _tuple1(self) -> None:
        self._last(1)

    def _tuple2(self) -> None:
        self._last(2)

    def _tuple3(self) -> None:
        self._last(3)

    def _last(self, count: int) -> None:
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def _list(self) -> None:
        found = self._marked()
        self.stack.append(found)

    def _append(self) -> None:
        value = self.stack.pop()
        self._of(list).append(value)

    def _appends(self) -> None:
        values = self._marked()
        self._of(list).extend(values)

    def _dict(self) -> None:
        values = self._marked()
        self.stack.append({})
        self._set(values)

    def _setitem(self) -> None:
        values = [self.stack.pop(), self.stack.pop()][::-1]
        self._set(values)

    def _setitems(self) -> None:
        self._set(self._marked())

    def _set(self, values: list[Any]) -> None:
        """Add keys and values; keys are names, for the hash of what holds itself again and again takes for ever."""
        keys = values[::2]
        if not all(isinstance(key, str | bytes) for key in keys):
            raise ValueError("an entry without a name")
        self._of(dict).update(zip(keys, values[1::2], strict=True))

    def _of(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise ValueError(f"a {type(self.stack[-1]).__name__} where a {kind.__name__} should be")
        return self.stack[-1]

    def _global(self, names: str) -> None:
        dotted = names.replace(" ", ".", 1)
        if dotted not in _ALLOWED:
            raise DataError(f"asks to run {dotted[:100]!r}, which is not run", _PLAIN)
        self.stack.append(_Named(_ALLOWED[dotted]))

    def _inst(self, names: str) -> None:
        self._global(names)
        raise DataError("does what no plain data need (INST)", _PLAIN)

    def _stack_global(self) -> None:
        module, name = self.stack[-2:]
        del self.stack[-2:]
        self._global(f"{module!s} {name!s}" if isinstance(module, str) and isinstance(name, str) else "nothing")

    def _reduce(self) -> None:
        given, called = self.stack.pop(), self.stack.pop()
        if not isinstance(called, _Named) or not isinstance(given, tuple):
            raise ValueError("a call of what cannot be called")
        if called.what == "array":
            self.stack.append(_Array())
        elif called.what == "kind of numbers":
            self.stack.append(_Kind(*given[:1]))
        elif called.what == "bytes":
            self.stack.append(self._encoded(*given))
        else:
            raise ValueError("a call of what cannot be called")

    def _build(self) -> None:
        state = self.stack.pop()
        if isinstance(state, tuple) and state and isinstance(state[-1], str):  # bytes as Python 2 wrote them
            state = (*state[:-1], self._encoded(state[-1], "latin1"))
        if not isinstance(self.stack[-1], _Array | _Kind):
            raise ValueError(f"a state for a {type(self.stack[-1]).__name__}")
        self.stack[-1].fill(state)

    def _persid(self, _identity: object) -> None:
        raise DataError("refers to something outside itself", _PLAIN)

    def _binpersid(self) -> None:
        raise DataError("refers to something outside itself", _PLAIN)

    def _encoded(self, text: object, encoding: object) -> bytes:
        """Stand in for `_codecs.encode`, which would look up any codec: this is how Python 3 writes old bytes."""
        if encoding != "latin1" or not isinstance(text, str):
            raise DataError(f"asks for the text encoding {str(encoding)[:40]!r}", "latin1 only")
        self.room -= len(text)  # one text can be asked for again and again
        if self.room < 0:
            raise ValueError("more bytes than it is long")
        return text.encode("latin1")
