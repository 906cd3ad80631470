"""Checkpoints: what a pickle of tensors means, without importing or calling anything that it names.

Why a machine of our own, and not torch's `weights_only` in a process with limits: measured on 36 layouts of authors,
torch's refuses six that users have (DINO, MAE, timm's, Lightning's and PixPro's with an `argparse.Namespace`, and
TorchScript); a key that is a tuple of tuples keeps it busy for ever, so it would need the process, its limits (macOS
keeps none on memory), the import of torch in it and a way back for what it read; and the list of harmless names, half
of what is here, would stay. Here tensors become descriptions, harmless classes become `Inert`, every other name is
refused, and each step is counted before it is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any

from virb.core.pickles import LONGEST_NAME, BrokenPickle, Budget, Inert, Machine, Name, call, enter
from virb.core.text import cut
from virb.encode.checkpoints.harmless import ALIASES, MAPPINGS, PARAMETERS, REBUILD, STORAGES, SUBCLASS, is_known

STEPS = 2_500_000
"""Operations, and items that are copied by them: more than any real file needs, and few enough for some seconds and
some hundred megabytes."""
BITS = 256
DIMENSIONS = 32


class NotRead(Exception):
    """A file that is no checkpoint, or a broken one; the text says how."""


class Refused(Exception):
    """A file that names code; the text is the dotted name."""


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


def read_pickle(stream: IO[bytes], budget: Budget, storages: dict[str, Storage] | None = None) -> Any:
    """Return the value of one pickle, with descriptions for tensors; the stream then stands behind it.

    Every storage that it names is noted in `storages`.
    """
    try:
        return Machine(_Tensors(budget, {} if storages is None else storages), budget).run(stream)
    except (NotRead, Refused):
        raise
    except BrokenPickle as error:
        raise NotRead(f"its pickle {error}") from error
    except Exception as error:  # bytes of a stranger can break a reader in any way
        raise NotRead(f"its pickle is broken ({type(error).__name__})") from error


@dataclass(frozen=True, slots=True)
class _Tensors:
    """Tensors become descriptions, harmless classes `Inert`, and every other name is refused."""

    budget: Budget
    storages: dict[str, Storage]

    def named(self, dotted: str) -> str:
        """Let harmless names pass."""
        if dotted in ("torch.storage.UntypedStorage", "torch.storage.TypedStorage"):
            return "torch.UntypedStorage"
        if len(dotted) > LONGEST_NAME or not is_known(dotted):
            raise Refused(cut(dotted, LONGEST_NAME))
        return dotted

    def called(self, dotted: str, arguments: tuple[Any, ...]) -> Any:
        """Return a tensor's description, a dict, or what is of no use here."""
        self.budget.spend(2)  # a call takes as long as some other operations
        if dotted in REBUILD:
            return _described(arguments, REBUILD[dotted])
        if dotted in PARAMETERS:
            return arguments[0]
        if dotted == SUBCLASS:
            return call(self, arguments[0], arguments[2])
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
            enter(result, pair)
        return result

    def built(self, target: Any, state: Any) -> None:
        """Keep what a module of TorchScript holds."""
        if isinstance(target, Inert) and isinstance(state, dict):
            self.budget.spend(len(state))
            target.state = {} if target.state is None else target.state
            target.state.update(state)

    def referred(self, identity: Any) -> Storage:
        """Return the storage that a persistent id names, always in the same way."""
        storage = _storage(identity)
        if self.storages.setdefault(storage.key, storage) != storage:
            raise NotRead(f"it describes its storage {cut(storage.key)} in two ways")
        return storage


def _storage(identity: Any) -> Storage:
    """Return the storage that torch's persistent id names: ('storage', type, key, device, count)."""
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
        raise NotRead("it holds a reference to something that is no tensor storage")
    _, kind, key, _, count, *view = identity
    if view and view[0] is not None:
        raise NotRead("its tensors are views of shared memory, as torch wrote them before 1.0")
    if not isinstance(kind, Name) or not isinstance(key, str) or not _is_count(count):
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
