"""Pickles: a stack machine of our own, which imports and calls nothing that a file names.

A pickle is a program. Python's reader can be kept from running functions, but a few bytes still ask for gigabytes or
for hours. Here each step is counted before it is taken and makes plain data; what a name, a call, a state or a
reference stands for is asked of a `Meaning`.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any, Protocol

from virb.core.text import cut

LONGEST_NAME = 200
"""Letters of a module or a name in it; what is longer is handed on with its end cut off."""


class BrokenPickle(Exception):
    """A pickle that is not read; the text goes on after "the pickle ..."."""


@dataclass(slots=True)
class Budget:
    """The steps that reading one file may take, whatever pickles it is made of, and the bits of its integers."""

    steps: int
    bits: int | None = None
    spent: int = 0

    def spend(self, count: int) -> None:
        """Take steps before they are done."""
        self.spent += count
        if self.spent > self.steps:
            raise BrokenPickle(f"takes more than {self.steps:,} steps to read")


@dataclass(frozen=True, slots=True)
class Name:
    """A class or function that a pickle names; it is never looked up."""

    dotted: str


@dataclass(eq=False, slots=True)
class Inert:
    """Stands for an object that is of no use here: items for it are dropped, and its state is for its `Meaning`."""

    name: str
    state: dict[Any, Any] | None = None


class Meaning(Protocol):
    """What a file of some kind means by that which a pickle leaves open; each method may refuse it."""

    def named(self, dotted: str) -> str:
        """Return under which name a class or function goes on."""

    def called(self, dotted: str, arguments: tuple[Any, ...]) -> Any:
        """Return what stands for a call."""

    def built(self, target: Any, state: Any) -> None:
        """Give a state to what stands for an object."""

    def referred(self, identity: Any) -> Any:
        """Return what stands for something outside the pickle."""


_MARK = object()


class Machine:
    """The stack machine of pickle, less everything that could run.

    In `plain` data are no sets and no new objects, nothing is taken back, and entries of dicts go by texts or bytes.
    Elsewhere entries whose keys are no texts, bytes or numbers are dropped.
    """

    def __init__(self, meaning: Meaning, budget: Budget, plain: bool = False) -> None:
        self.meaning, self.budget, self.plain = meaning, budget, plain
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, pickled: bytes | IO[bytes]) -> Any:
        """Return the value of one pickle; a stream then stands behind it."""
        operations = _PLAIN if self.plain else _ALL
        for operation, argument, _ in pickletools.genops(pickled):
            self.budget.spend(1)
            if operation.name == "STOP":
                return self.top()
            if operation.name not in operations:
                raise BrokenPickle(f"holds {operation.name}, which no file of this kind needs")
            operations[operation.name](self, argument)
        raise BrokenPickle("has no end")

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def push_read(self, value: Any) -> None:
        """Put a value on the stack as it stands in the file."""
        bits = self.budget.bits
        if bits is not None and isinstance(value, int) and abs(value) > 1 << bits:
            raise BrokenPickle(f"holds an integer of more than {bits} bits")
        self.stack.append(value)

    def keep(self, number: int) -> None:
        """Remember the value on top by a number."""
        self.memo[number] = self.top()

    def top(self) -> Any:
        """Return the value on top, which stays."""
        if not self.stack or self.stack[-1] is _MARK:
            raise BrokenPickle("is broken (too short a stack)")
        return self.stack[-1]

    def take(self, count: int) -> tuple[Any, ...]:
        """Return so many values from the top, in the order in which they came."""
        taken = tuple(self.stack[-count:])
        if len(taken) < count or any(value is _MARK for value in taken):
            raise BrokenPickle("is broken (too short a stack)")
        del self.stack[-count:]
        return taken

    def above_mark(self) -> list[Any]:
        """Return all values above the topmost mark, which goes with them."""
        place = len(self.stack) - 1
        while place >= 0 and self.stack[place] is not _MARK:
            place -= 1
        if place < 0:
            raise BrokenPickle("is broken (no mark)")
        above = self.stack[place + 1 :]
        del self.stack[place:]
        return above

    def extend(self, items: Sequence[Any]) -> None:
        """Put items into the list on top."""
        target = self.top()
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Inert):
            raise BrokenPickle("is broken (items for what is no list)")

    def enter(self, items: Sequence[Any]) -> None:
        """Put keys and values that take turns into the dict on top."""
        target = self.top()
        if not isinstance(target, Inert):
            enter(target, items, self.plain)

    def name(self, module: Any, name: Any) -> None:
        """Put a class or function on the stack."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise BrokenPickle("is broken (a class without a name)")
        self.push(Name(self.meaning.named(f"{cut(module, LONGEST_NAME)}.{cut(name, LONGEST_NAME)}")))

    def instance(self, names: str) -> None:
        """Refuse what no Python since 2.2 writes; whoever asks for code with it is told its name."""
        self.name(*names.split(" ", 1))
        raise BrokenPickle("holds INST, which no file of this kind needs")

    def protocol(self, version: int) -> None:
        """Refuse what this Python does not know."""
        if version > pickle.HIGHEST_PROTOCOL:
            raise BrokenPickle(f"has the unknown protocol {version}")

    def dictionary(self) -> None:
        """Put a dict of what stands above the mark on the stack."""
        items = self.above_mark()
        self.push({})
        self.enter(items)

    def frozen_set(self) -> None:
        """Drop what stands above the mark: hashing it may never end."""
        self.above_mark()
        self.push(Inert("builtins.frozenset"))

    def build(self) -> None:
        """Give the state on top to what stands below it."""
        (state,) = self.take(1)
        self.meaning.built(self.top(), state)


def enter(target: Any, items: Sequence[Any], plain: bool = False) -> None:
    """Put keys and values that take turns into a dict; hashing a key of any other kind may never end."""
    if not isinstance(target, dict) or len(items) % 2:
        raise BrokenPickle("is broken (items for what is no dict)")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if isinstance(key, (str, bytes)) or (not plain and isinstance(key, (int, float))):
            target[key] = value
        elif plain:
            raise BrokenPickle("holds an entry without a name")


def call(meaning: Meaning, function: Any, arguments: Any) -> Any:
    """Return what stands for a call of whatever a pickle gives as a function."""
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        raise BrokenPickle("is broken (a call of what is no name)")
    return meaning.called(function.dotted, arguments)


_READ = """
    INT BININT BININT1 BININT2 LONG LONG1 LONG4 STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8
    UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8 FLOAT BINFLOAT
    """
_PLAIN: dict[str, Callable[[Machine, Any], object]] = {
    **dict.fromkeys(_READ.split(), Machine.push_read),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), Machine.keep),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda machine, at: machine.push(machine.memo[at])),
    "MEMOIZE": lambda machine, _: machine.keep(len(machine.memo)),
    "PROTO": Machine.protocol,
    "FRAME": lambda machine, _: None,
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "MARK": lambda machine, _: machine.push(_MARK),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.above_mark())),
    "TUPLE1": lambda machine, _: machine.push(machine.take(1)),
    "TUPLE2": lambda machine, _: machine.push(machine.take(2)),
    "TUPLE3": lambda machine, _: machine.push(machine.take(3)),
    "LIST": lambda machine, _: machine.push(machine.above_mark()),
    "APPEND": lambda machine, _: machine.extend(machine.take(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.above_mark()),
    "DICT": lambda machine, _: machine.dictionary(),
    "SETITEM": lambda machine, _: machine.enter(machine.take(2)),
    "SETITEMS": lambda machine, _: machine.enter(machine.above_mark()),
    "GLOBAL": lambda machine, names: machine.name(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.take(2)),
    "INST": Machine.instance,
    "REDUCE": lambda machine, _: machine.push(call(machine.meaning, *machine.take(2))),
    "BUILD": lambda machine, _: machine.build(),
    "PERSID": lambda machine, identity: machine.push(machine.meaning.referred(identity)),
    "BINPERSID": lambda machine, _: machine.push(machine.meaning.referred(*machine.take(1))),
}
"""What each operation does to a machine; those that are not here no file needs."""
_ALL: dict[str, Callable[[Machine, Any], object]] = {
    **_PLAIN,
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.above_mark(),
    "DUP": lambda machine, _: machine.push(machine.top()),
    "EMPTY_SET": lambda machine, _: machine.push(Inert("builtins.set")),
    "FROZENSET": lambda machine, _: machine.frozen_set(),
    "ADDITEMS": lambda machine, _: machine.above_mark(),
    "NEWOBJ": _PLAIN["REDUCE"],
    "NEWOBJ_EX": lambda machine, _: machine.push(call(machine.meaning, *machine.take(3)[:2])),
}
