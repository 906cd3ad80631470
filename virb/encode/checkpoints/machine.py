"""Checkpoints: a pickle to plain values, without importing or calling anything that it names.

Why a machine of our own, and not torch's `weights_only` in a process with limits: measured on 36 layouts of authors,
torch's refuses six that users have (DINO, MAE, timm's, Lightning's and PixPro's with an `argparse.Namespace`, and
TorchScript); a key that is a tuple of tuples keeps it busy for ever, so it would need the process, its limits (macOS
keeps none on memory), the import of torch in it and a way back for what it read; and the list of harmless names, half
of what is here, would stay. Here tensors become descriptions, harmless classes become `Inert`, every other name is
refused, and each step is counted before it is taken.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from virb.core.text import cut
from virb.encode.checkpoints.harmless import (
    ALIASES,
    LONGEST_NAME,
    MAPPINGS,
    PARAMETERS,
    REBUILD,
    STORAGES,
    SUBCLASS,
    is_known,
)

STEPS = 2_500_000
"""Operations, and items that are copied by them: more than any real file needs, and few enough for some seconds and
some hundred megabytes."""
DIMENSIONS = 32
LONGEST_INTEGER = 1 << 256


class NotRead(Exception):
    """A file that is no checkpoint, or a broken one; the text says how."""


class Refused(Exception):
    """A file that names code; the text is the dotted name."""


@dataclass(slots=True)
class Budget:
    """The steps that reading one file may still take, whatever pickles and shards it is made of."""

    left: int = STEPS

    def spend(self, count: int) -> None:
        """Take steps before they are done."""
        self.left -= count
        if self.left < 0:
            raise NotRead(f"it takes more than {STEPS:,} steps to read")


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the numbers of tensors lie: a part of the file, by its key."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True, slots=True)
class Described:
    """A tensor as the pickle describes it."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(eq=False, slots=True)
class Inert:
    """Stands for an object that is of no use here; what a module of TorchScript holds is kept in `state`."""

    name: str
    state: dict[Any, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Name:
    """A class or function that a pickle names; it is never looked up."""

    dotted: str


_MARK = object()


def read_pickle(stream: IO[bytes], budget: Budget, storages: dict[str, Storage] | None = None) -> Any:
    """Return the value of one pickle, with descriptions for tensors; the stream then stands behind it.

    Every storage that it names is noted in `storages`.
    """
    machine = _Machine({} if storages is None else storages, budget)
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            budget.spend(1)
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.step(opcode.name, argument)
    except (NotRead, Refused):
        raise
    except Exception as error:  # bytes of a stranger can break a reader in any way
        raise NotRead(f"its pickle is broken ({type(error).__name__})") from error
    raise NotRead("its pickle has no end")


class _Machine:
    """The stack machine of pickle, less everything that could run."""

    def __init__(self, storages: dict[str, Storage], budget: Budget) -> None:
        self.storages, self.budget = storages, budget
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Carry out one operation."""
        if name in _PUSHES:
            _check_integer(argument)
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[int(argument)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[int(argument)])
        else:
            handler: Callable[[Any], None] | None = getattr(self, f"_{name.lower()}", None)
            if handler is None:
                raise NotRead(f"its pickle holds {name}, which no checkpoint needs")
            handler(argument)

    def _proto(self, version: int) -> None:
        if version > pickle.HIGHEST_PROTOCOL:
            raise NotRead(f"its pickle has the unknown protocol {version}")

    def _frame(self, _: Any) -> None:
        """Framing is about reading ahead only."""

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _pop(self, _: Any) -> None:
        self.stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self._above_mark()

    def _dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def _mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def _above_mark(self) -> list[Any]:
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise NotRead("its pickle is broken (no mark)")
        above = self.stack[place + 1 :]
        del self.stack[place:]
        return above

    def _take(self, count: int) -> tuple[Any, ...]:
        if len(self.stack) < count:
            raise NotRead("its pickle is broken (too short a stack)")
        taken = tuple(self.stack[-count:])
        del self.stack[-count:]
        return taken

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._above_mark()))

    def _tuple1(self, _: Any) -> None:
        self.stack.append(self._take(1))

    def _tuple2(self, _: Any) -> None:
        self.stack.append(self._take(2))

    def _tuple3(self, _: Any) -> None:
        self.stack.append(self._take(3))

    def _list(self, _: Any) -> None:
        self.stack.append(self._above_mark())

    def _dict(self, _: Any) -> None:
        items = self._above_mark()
        self.stack.append({})
        _set_items(self.stack[-1], items)

    def _frozenset(self, _: Any) -> None:
        self._above_mark()
        self.stack.append(Inert("builtins.frozenset"))

    def _additems(self, _: Any) -> None:
        self._above_mark()

    def _append(self, _: Any) -> None:
        (item,) = self._take(1)
        _extend(self.stack[-1], [item])

    def _appends(self, _: Any) -> None:
        items = self._above_mark()
        _extend(self.stack[-1], items)

    def _setitem(self, _: Any) -> None:
        items = self._take(2)
        _set_items(self.stack[-1], items)

    def _setitems(self, _: Any) -> None:
        items = self._above_mark()
        _set_items(self.stack[-1], items)

    def _global(self, argument: str) -> None:
        self.stack.append(_named(*argument.split(" ", 1)))

    def _stack_global(self, _: Any) -> None:
        module, name = self._take(2)
        self.stack.append(_named(module, name))

    def _binpersid(self, _: Any) -> None:
        (identity,) = self._take(1)
        storage = _storage(identity)
        if self.storages.setdefault(storage.key, storage) != storage:
            raise NotRead(f"it describes its storage {cut(storage.key)} in two ways")
        self.stack.append(storage)

    def _reduce(self, _: Any) -> None:
        function, arguments = self._take(2)
        self.stack.append(self._built(function, arguments))

    _newobj = _reduce

    def _newobj_ex(self, _: Any) -> None:
        function, arguments, _ = self._take(3)
        self.stack.append(self._built(function, arguments))

    def _build(self, _: Any) -> None:
        (state,) = self._take(1)
        target = self.stack[-1]
        if isinstance(target, Inert) and isinstance(state, dict):
            self.budget.spend(len(state))
            target.state = {} if target.state is None else target.state
            target.state.update(state)

    def _built(self, function: Any, arguments: Any) -> Any:
        """Return what stands for a call."""
        self.budget.spend(2)  # a call takes as long as some other operations
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise NotRead("its pickle is broken (a call of what is no name)")
        dotted = function.dotted
        if dotted in REBUILD:
            return _described(arguments, REBUILD[dotted])
        if dotted in PARAMETERS:
            return arguments[0]
        if dotted == SUBCLASS:
            return self._built(arguments[0], arguments[2])
        if dotted in MAPPINGS:
            return self._mapping(arguments)
        return Inert(dotted)

    def _mapping(self, arguments: tuple[Any, ...]) -> dict[Any, Any]:
        """Return a dict of the pairs that an old OrderedDict is called with, or a new one."""
        pairs = arguments[0] if arguments else None
        if isinstance(pairs, (dict, list)):
            self.budget.spend(2 * len(pairs))
        if isinstance(pairs, dict):
            return dict(pairs)
        result: dict[Any, Any] = {}
        for pair in pairs if isinstance(pairs, list) else ():
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise NotRead("its pickle is broken (a dict of what are no pairs)")
            _set_items(result, pair)
        return result


_PUSHES = frozenset(
    """
    INT BININT BININT1 BININT2 LONG LONG1 LONG4 STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8
    UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8 FLOAT BINFLOAT
    """.split()
)
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": lambda: Inert("builtins.set"),
}


def _check_integer(value: Any) -> None:
    if isinstance(value, int) and abs(value) > LONGEST_INTEGER:
        raise NotRead("its pickle holds an integer of more than 256 bits")


def _extend(target: Any, items: list[Any]) -> None:
    if isinstance(target, list):
        target.extend(items)
    elif not isinstance(target, Inert):
        raise NotRead("its pickle is broken (items for what is no list)")


def _set_items(target: Any, items: Any) -> None:
    if isinstance(target, Inert):
        return
    if not isinstance(target, dict) or len(items) % 2:
        raise NotRead("its pickle is broken (items for what is no dict)")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if isinstance(key, (str, int, float, bytes)):  # other keys name no tensor, and hashing them may never end
            target[key] = value


def _named(module: Any, name: Any) -> Any:
    """Return what stands for a name, or refuse it."""
    if not isinstance(module, str) or not isinstance(name, str):
        raise NotRead("its pickle is broken (a class without a name)")
    dotted = f"{cut(module, LONGEST_NAME)}.{cut(name, LONGEST_NAME)}"
    if dotted in ("torch.storage.UntypedStorage", "torch.storage.TypedStorage"):
        return _Name("torch.UntypedStorage")
    if len(dotted) > LONGEST_NAME or not is_known(dotted):
        raise Refused(cut(dotted, LONGEST_NAME))
    return _Name(dotted)


def _storage(identity: Any) -> Storage:
    """Return the storage that torch's persistent id names: ('storage', type, key, device, count)."""
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
        raise NotRead("it holds a reference to something that is no tensor storage")
    _, kind, key, _, count, *view = identity
    if view and view[0] is not None:
        raise NotRead("its tensors are views of shared memory, as torch wrote them before 1.0")
    if not isinstance(kind, _Name) or not isinstance(key, str) or not _is_count(count):
        raise NotRead(
            f"it declares a storage of {count!r} numbers" if isinstance(count, int) else "a storage is broken"
        )
    dtype = STORAGES.get(kind.dotted.rpartition(".")[2])
    if dtype is None:
        raise Refused(kind.dotted)
    return Storage(key, dtype, count)


def _described(arguments: tuple[Any, ...], type_at: int) -> Described:
    storage, offset, shape, stride = arguments[:4]
    if isinstance(shape, Inert):  # torch.Size was written as a call
        raise NotRead("a tensor's shape is no tuple")
    if not isinstance(storage, Storage) or not all(isinstance(part, (tuple, list)) for part in (shape, stride)):
        raise NotRead("a tensor's description is broken")
    if len(shape) != len(stride) or len(shape) > DIMENSIONS:
        raise NotRead(f"a tensor has the impossible shape of {len(shape):,} dimensions and {len(stride):,} strides")
    if not all(_is_count(number) for number in (offset, *shape, *stride)):
        told = (f"{number}" if isinstance(number, int) else type(number).__name__ for number in shape)
        raise NotRead(f"a tensor has the impossible shape ({cut(', '.join(told))}), stride or offset")
    dtype = storage.dtype
    if type_at:
        dtype = arguments[type_at].dotted.rpartition(".")[2]
    return Described(storage, ALIASES.get(dtype, dtype), offset, tuple(shape), tuple(stride))


def _is_count(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0
