"""Checkpoints: a pickle to plain values, without importing or calling anything that it names.

Python's own unpickler, and torch's restricted one, build objects as they read: a short file can make them take
gigabytes. Here tensors become descriptions, harmless classes become `Inert`, and every other name is refused.
"""

from __future__ import annotations

import pickle
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

OPERATIONS = 5_000_000
"""More than any real file needs, and few enough to be read in seconds and in some hundred megabytes."""
DIMENSIONS = 32
LONGEST_INTEGER = 1 << 256

# What authors' files hold beside tensors. Nothing of it is imported, so it need not be installed.
_MAPPINGS = frozenset(
    """
    collections.OrderedDict collections.defaultdict builtins.dict __builtin__.dict
    easydict.EasyDict yacs.config.CfgNode fvcore.common.config.CfgNode vissl.config.attr_dict.AttrDict
    vissl.utils.hydra_config.AttrDict mmcv.utils.config.ConfigDict addict.addict.Dict
    pytorch_lightning.utilities.parsing.AttributeDict lightning.pytorch.utilities.parsing.AttributeDict
    lightning_fabric.utilities.data.AttributeDict lightning.fabric.utilities.data.AttributeDict
    """.split()
)
_HARMLESS = frozenset(
    """
    argparse.Namespace types.SimpleNamespace collections.Counter collections.deque builtins.set builtins.frozenset
    builtins.list builtins.int builtins.float builtins.str builtins.bool builtins.bytes builtins.tuple builtins.complex
    builtins.bytearray builtins.slice builtins.range builtins.object
    __builtin__.set __builtin__.frozenset __builtin__.list __builtin__.int __builtin__.long __builtin__.float
    __builtin__.str __builtin__.unicode __builtin__.bool __builtin__.tuple __builtin__.bytearray __builtin__.object
    _codecs.encode copy_reg._reconstructor copyreg._reconstructor typing.Any
    datetime.datetime datetime.date datetime.timedelta datetime.timezone decimal.Decimal uuid.UUID
    pathlib.Path pathlib.PosixPath pathlib.WindowsPath pathlib.PurePath pathlib.PurePosixPath pathlib.PureWindowsPath
    pathlib._local.Path pathlib._local.PosixPath pathlib._local.WindowsPath
    numpy.dtype numpy.ndarray numpy.core.multiarray.scalar numpy.core.multiarray._reconstruct
    numpy._core.multiarray.scalar numpy._core.multiarray._reconstruct numpy.core.numeric._frombuffer
    numpy._core.numeric._frombuffer
    torch.Size torch.device torch._C.Generator torch.Generator torch.memory_format
    """.split()
)
_HARMLESS_PATTERN = re.compile(
    r"omegaconf\.(dictconfig\.DictConfig|listconfig\.ListConfig|nodes\.\w+Node|base\.(Container)?Metadata)"
    r"|torch\.(bool|u?int\d+|b?float\d+\w*|half|float|double|long|int|short|complex\d+|strided|contiguous_format"
    r"|per_tensor_affine)|__torch__\.[\w.]+|torch\.jit\._pickle\.build_\w+list|numpy\.dtypes\.\w+"
    r"|torch\.optim\.lr_scheduler\.\w+|torch\.optim\.\w+\.\w+"
)
_REBUILD = {
    "torch._utils._rebuild_tensor": 0,
    "torch._utils._rebuild_tensor_v2": 0,
    "torch._utils._rebuild_tensor_v3": 6,
}
"""The functions that torch names for a tensor, and where in their arguments its type stands, if not in its storage."""
_PARAMETERS = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")
_SUBCLASS = "torch._tensor._rebuild_from_type_v2"
_STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "UntypedStorage": "uint8",
}  # fmt: skip
_ALIASES = {"half": "float16", "float": "float32", "double": "float64", "long": "int64", "int": "int32"}


class NotRead(Exception):
    """A file that is no checkpoint, or a broken one; the text says how."""


class Refused(Exception):
    """A file that names code; the text is the dotted name."""


@dataclass(frozen=True)
class Storage:
    """Where the numbers of tensors lie: a part of the file, by its key."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class Described:
    """A tensor as the pickle describes it."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(eq=False)
class Inert:
    """Stands for an object that is of no use here; what a module of TorchScript holds is kept in `state`."""

    name: str
    state: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Name:
    """A class or function that a pickle names; it is never looked up."""

    dotted: str


_MARK = object()


def read_pickle(stream: IO[bytes], storages: dict[str, Storage] | None = None) -> Any:
    """Return the value of one pickle, with descriptions for tensors; the stream then stands behind it.

    Every storage that it names is noted in `storages`.
    """
    machine = _Machine({} if storages is None else storages)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > OPERATIONS:
                raise NotRead(f"its pickle holds more than {OPERATIONS:,} operations")
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

    def __init__(self, storages: dict[str, Storage]) -> None:
        self.storages = storages
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
        self.stack.append(_named(argument.replace(" ", ".")))

    def _stack_global(self, _: Any) -> None:
        module, name = self._take(2)
        self.stack.append(_named(f"{module}.{name}"))

    def _binpersid(self, _: Any) -> None:
        (identity,) = self._take(1)
        storage = _storage(identity)
        if self.storages.setdefault(storage.key, storage) != storage:
            raise NotRead(f"it describes its storage {storage.key} in two ways"[:200])
        self.stack.append(storage)

    def _reduce(self, _: Any) -> None:
        function, arguments = self._take(2)
        self.stack.append(_built(function, arguments))

    _newobj = _reduce

    def _newobj_ex(self, _: Any) -> None:
        function, arguments, _ = self._take(3)
        self.stack.append(_built(function, arguments))

    def _build(self, _: Any) -> None:
        (state,) = self._take(1)
        target = self.stack[-1]
        if isinstance(target, Inert) and isinstance(state, dict):
            target.state.update(state)


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


def _named(dotted: str) -> Any:
    """Return what stands for a name, or refuse it."""
    module, _, name = dotted.rpartition(".")
    if module == "torch" and name in _STORAGES:
        return _Name(dotted)
    if module == "torch.storage" and name in ("UntypedStorage", "TypedStorage"):
        return _Name("torch.UntypedStorage")
    known = (*_REBUILD, *_PARAMETERS, _SUBCLASS, "torch.nn.parameter.Parameter", "torch.nn.Parameter", "torch.Tensor")
    if dotted in known or dotted in _MAPPINGS or dotted in _HARMLESS or _HARMLESS_PATTERN.fullmatch(dotted):
        return _Name(dotted)
    raise Refused(dotted)


def _built(function: Any, arguments: Any) -> Any:
    """Return what stands for a call."""
    if not isinstance(function, _Name) or not isinstance(arguments, tuple):
        raise NotRead("its pickle is broken (a call of what is no name)")
    dotted = function.dotted
    if dotted in _REBUILD:
        return _described(arguments, _REBUILD[dotted])
    if dotted in _PARAMETERS:
        return arguments[0]
    if dotted == _SUBCLASS:
        return _built(arguments[0], arguments[2])
    if dotted in _MAPPINGS:
        return _mapping(arguments)
    return Inert(dotted)


def _mapping(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """Return a dict of the pairs that an old OrderedDict is called with, or a new one."""
    pairs = arguments[0] if arguments else None
    if isinstance(pairs, dict):
        return dict(pairs)
    if not isinstance(pairs, list):
        return {}
    result: dict[Any, Any] = {}
    for pair in pairs:
        _set_items(result, pair)
    return result


def _storage(identity: Any) -> Storage:
    """Return the storage that torch's persistent id names: ('storage', type, key, device, count)."""
    if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
        raise NotRead("it holds a reference to something that is no tensor storage")
    _, kind, key, _, count, *view = identity
    if view and view[0] is not None:
        raise NotRead("its tensors are views of shared memory, as torch wrote them before 1.0")
    if not isinstance(kind, _Name) or not isinstance(key, str) or not _is_count(count):
        raise NotRead(
            f"it declares a storage of {count!r} numbers" if isinstance(count, int) else "a storage is broken"
        )
    dtype = _STORAGES.get(kind.dotted.rpartition(".")[2])
    if dtype is None:
        raise Refused(kind.dotted)
    return Storage(key, dtype, count)


def _described(arguments: tuple[Any, ...], type_at: int) -> Described:
    storage, offset, shape, stride = arguments[:4]
    if isinstance(shape, Inert):  # torch.Size was written as a call
        raise NotRead("a tensor's shape is no tuple")
    if not isinstance(storage, Storage) or not all(isinstance(part, (tuple, list)) for part in (shape, stride)):
        raise NotRead("a tensor's description is broken")
    numbers = (offset, *shape, *stride)
    if not all(_is_count(number) for number in numbers) or len(shape) != len(stride) or len(shape) > DIMENSIONS:
        raise NotRead(f"a tensor has the impossible shape {tuple(shape)}"[:200])
    dtype = storage.dtype
    if type_at:
        dtype = arguments[type_at].dotted.rpartition(".")[2]
    return Described(storage, _ALIASES.get(dtype, dtype), offset, tuple(shape), tuple(stride))


def _is_count(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0
