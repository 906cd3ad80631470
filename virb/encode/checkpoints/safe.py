"""Checkpoints: a file to named tensors that are not read yet; every size is checked before memory is taken.

Three containers: safetensors (one file, or shards with an index), torch's zip archive (TorchScript's too: tensors
only), and the pickles that torch wrote before 1.6. What a file holds decides, not how it is called.
"""

from __future__ import annotations

import io
import json
import math
import mmap
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import torch

from virb.core.errors import CheckpointError
from virb.core.pickles import Budget
from virb.core.text import cut
from virb.encode.checkpoints.archive import ZipEntry, entries_of
from virb.encode.checkpoints.machine import (
    BITS,
    DIMENSIONS,
    STEPS,
    Described,
    NotRead,
    Refused,
    Storage,
    read_pickle,
)
from virb.encode.checkpoints.walk import tensors_of

LARGEST_PICKLE = 256 << 20
LARGEST_INDEX = 64 << 20
LARGEST_HEADER = 16 << 20
_CHUNK = 1 << 20
LARGEST_TENSOR = 1 << 40
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_SAFETENSORS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """A tensor in a file: what it is, and how to read it."""

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], torch.Tensor]
    place: tuple[object, ...]
    """Where it lies; two names of one tensor share it."""

    @property
    def size(self) -> int:
        """How many numbers it has."""
        total = 1
        for length in self.shape:
            total *= length
        return total


@dataclass(frozen=True)
class Contents:
    """A file's tensors by their whole name, through all dictionaries around them."""

    kind: str
    tensors: dict[str, Stored]
    containers: dict[str, str]
    """Which part of a tensor's whole name is that of the dictionaries around it."""


def read_contents(path: Path) -> Contents:
    """Return what a file holds, or an error that says why it is not read."""
    try:
        contents = _open(path, Budget(STEPS, BITS))
    except Refused as refusal:
        raise refused(path, str(refusal)) from None
    except NotRead as reason:
        raise unusable(path, str(reason)) from None
    except zipfile.BadZipFile:
        raise unusable(path, "its archive is broken; most often a download was cut short") from None
    except OSError as error:
        raise unusable(path, f"it cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a reader of foreign bytes can stumble in any way
        raise unusable(path, f"it is broken ({type(error).__name__})") from error
    if not contents.tensors:
        raise unusable(path, "it holds no tensors under names, so no state dict")
    return contents


def unusable(path: Path, why: str) -> CheckpointError:
    """Return the error for a file that is no checkpoint."""
    return CheckpointError(
        f"{path} is not a usable checkpoint: {why}",
        "named tensors, as torch.save or safetensors write them",
        "fetch the file again, or save one with torch.save(model.state_dict(), 'weights.pt') and pass that",
    )


def refused(path: Path, dotted: str) -> CheckpointError:
    """Return the error for a file with code in it."""
    return CheckpointError(
        f"{path} holds an object of {dotted}, which is code and is never run",
        "tensors, and plain values beside them",
        "where you trust it, load it with its authors' code and re-save the tensors: "
        "torch.save(model.state_dict(), 'weights.pt')",
    )


def _open(path: Path, budget: Budget) -> Contents:
    with open(path, "rb") as stream:
        head = stream.read(512)
    if head.startswith(b"PK"):
        return _read_zip(path, budget)
    if len(head) > 8 and head[8:9] == b"{":
        return Contents("safetensors", *_flat(_safetensors(path)))
    if head.lstrip().startswith(b"{") and path.suffix == ".json":
        return _read_index(path, budget)
    if head.startswith(b"\x80"):
        return _read_legacy(path, budget)
    for magic, place, name in ((b"\x1f\x8b", 0, "a gzip archive"), (b"ustar", 257, "a tar archive")):
        if head[place : place + len(magic)] == magic:
            raise NotRead(f"it is {name}: unpack it, or where torch wrote it before 2017, re-save it")
    raise NotRead("it is neither safetensors nor a file that torch.save wrote" if head else "it is empty")


def _safetensors(path: Path) -> dict[str, Stored]:
    """Describe the tensors of a file whose header the library found sound; their bytes are read here.

    The library would map the whole file for each tensor: what a user then writes over it would change the encoder.
    """
    from safetensors import SafetensorError, safe_open

    with open(path, "rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
    if LARGEST_HEADER < length < path.stat().st_size:
        raise NotRead(f"its safetensors header is larger than {LARGEST_HEADER >> 20} MiB")
    try:
        with safe_open(path, framework="pt"):
            pass
    except SafetensorError as error:
        raise NotRead(f"its safetensors header is broken ({cut(str(error))})") from error
    with open(path, "rb") as stream:
        header = json.loads(stream.read(8 + length)[8:], object_pairs_hook=_once)
    found = {}
    for name, part in header.items():
        if name != "__metadata__":
            kind, shape, (start, end) = part["dtype"], tuple(part["shape"]), part["data_offsets"]
            dtype, span = _SAFETENSORS.get(kind, kind), _Span(path, 8 + length + start, end - start)
            found[name] = Stored(shape, dtype, partial(_dense, span, dtype, shape), (path, name))
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object whose keys stand in it once: of two, readers take the first or the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotRead("its header has a key twice")
    return found


def _dense(span: _Span, dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype):
        raise unusable(span.path, f"it holds tensors of the type {dtype}")
    return torch.frombuffer(span.read(), dtype=kind).reshape(shape) if span.size else torch.empty(shape, dtype=kind)


def _read_index(path: Path, budget: Budget) -> Contents:
    """Return the tensors of all shards that an index names; they lie beside it."""
    if path.stat().st_size > LARGEST_INDEX:
        raise NotRead(f"as an index of shards it is too large (over {LARGEST_INDEX >> 20} MiB)")
    content = json.loads(path.read_bytes())
    names = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise NotRead("as a JSON file it would have to be an index of shards, with a 'weight_map'")
    tensors: dict[str, Stored] = {}
    for shard in sorted(set(names.values())):
        if shard in ("", ".", "..") or "/" in shard or "\\" in shard or "\0" in shard:
            raise NotRead(f"its shard {cut(shard)!r} does not lie beside it")
        if not (path.parent / shard).is_file():
            raise NotRead(f"its shard {cut(shard)} is not there")
        part = _open(path.parent / shard, budget) if not shard.endswith(".json") else None
        if part is None:
            raise NotRead(f"its shard {cut(shard)} is an index itself")
        tensors.update(part.tensors)
    lost = [name for name in names if name not in tensors]
    if lost:
        raise NotRead(f"its shards lack {len(lost)} tensors, the first is {cut(lost[0])}")
    return Contents("sharded safetensors", *_flat({name: tensors[name] for name in names}))


@dataclass(frozen=True)
class _Span:
    """Bytes of a file that hold a storage."""

    path: Path
    start: int
    size: int
    checksum: int | None = None

    def read(self) -> bytearray:
        """Return all of it, as it was written."""
        buffer = self.part(0, self.size)
        self._compare(zlib.crc32(buffer) if self.checksum is not None else None)
        return buffer

    def part(self, start: int, size: int) -> bytearray:
        """Return some bytes of it; many tensors may share one storage, and each would read all of it."""
        buffer = bytearray(size)
        with open(self.path, "rb") as stream:
            stream.seek(self.start + start)
            if stream.readinto(buffer) != size:
                raise unusable(self.path, "it ends before its last tensor")
        return buffer

    def check(self) -> None:
        """Refuse it where it is not as it was written."""
        found: int | None = None
        for start in range(0, self.size if self.checksum is not None else 0, _CHUNK):
            found = zlib.crc32(self.part(start, min(_CHUNK, self.size - start)), found or 0)
        self._compare(found)

    def _compare(self, found: int | None) -> None:
        if found is not None and found != self.checksum:
            raise unusable(self.path, f"its bytes from {self.start:,} on do not fit their checksum: it is damaged")


def _read_zip(path: Path, budget: Budget) -> Contents:
    with open(path, "rb") as stream:
        entries = entries_of(stream)
        pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise NotRead("its archive holds no data.pkl, so torch.save did not write it")
        folder = pickles[0].removesuffix("data.pkl")
        if not all(name.startswith(folder) for name in entries):  # torch takes the first entry's folder
            raise NotRead("its archive has more than one folder, which torch.save never writes")
        used = [entry for name, entry in entries.items() if name == pickles[0] or name.startswith(f"{folder}data/")]
        if not all(entry.stored for entry in used):  # torch compresses only TorchScript's code, which is never read
            raise NotRead("its archive is compressed or encrypted, which torch.save never does")
        order = entries.get(f"{folder}byteorder")
        if order is not None and _read(stream, order, 16).strip() != b"little":
            raise NotRead("it was written on a big-endian machine: re-save it on another")
        if entries[pickles[0]].size > LARGEST_PICKLE:
            raise NotRead(f"its pickle is larger than {LARGEST_PICKLE >> 20} MiB")
        written = _read(stream, entries[pickles[0]])
    if zlib.crc32(written) != entries[pickles[0]].checksum:
        raise NotRead("its pickle does not fit its checksum: it is damaged")
    content = read_pickle(io.BytesIO(written), budget)
    kind = "TorchScript archive (tensors only)" if f"{folder}constants.pkl" in entries else "torch zip"

    def place(storage: Storage) -> _Span:
        entry = entries.get(f"{folder}data/{storage.key}")
        if entry is None:
            raise NotRead(f"its archive lacks data/{cut(storage.key)}")
        return _Span(path, entry.start, entry.size, entry.checksum)

    return Contents(kind, *_flat(content, _resolver(place)))


def _read(stream: IO[bytes], entry: ZipEntry, most: int | None = None) -> bytes:
    stream.seek(entry.start)
    return stream.read(entry.size if most is None else min(most, entry.size))


def _read_legacy(path: Path, budget: Budget) -> Contents:
    """Read what torch.save wrote before 1.6: five pickles, then each storage's count and numbers."""
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        part = partial(read_pickle, memory, budget)  # type: ignore[arg-type]  # a mapping reads like a file
        if part() != _LEGACY_MAGIC:
            raise NotRead("it is a plain pickle, not a file that torch.save wrote")
        part()
        system = part()
        if isinstance(system, dict) and system.get("little_endian") is False:
            raise NotRead("it was written on a big-endian machine: re-save it on another")
        storages: dict[str, Storage] = {}
        content, keys = part(storages), part()
        spans = dict(_legacy_spans(path, memory, keys, storages))
        if memory.tell() != len(memory):
            raise NotRead(
                f"{len(memory) - memory.tell():,} bytes stand behind its last number: it is more than one file"
            )

    def place(storage: Storage) -> _Span:
        if storage.key not in spans:
            raise NotRead(f"it lacks the numbers of storage {cut(storage.key)}")
        return spans[storage.key]

    return Contents("torch pickle (before 1.6)", *_flat(content, _resolver(place)))


def _legacy_spans(
    path: Path, memory: mmap.mmap, keys: Any, storages: Mapping[str, Storage]
) -> Iterator[tuple[str, _Span]]:
    if not isinstance(keys, list):
        raise NotRead("its list of storages is broken")
    for key in keys:
        if not isinstance(key, str) or key not in storages:
            raise NotRead("one of its storages belongs to no tensor")
        (count,) = struct.unpack("<q", memory.read(8))
        size = count * _itemsize(storages[key].dtype)
        if count != storages[key].count or memory.tell() + size > len(memory):
            raise NotRead(f"it declares a storage of {count:,} numbers, more than the file has")
        yield key, _Span(path, memory.tell(), size)
        memory.seek(size, io.SEEK_CUR)


def _itemsize(dtype: str) -> int:
    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype):
        raise NotRead(f"it holds tensors of the unknown type {cut(dtype)}")
    return kind.itemsize


def _resolver(place: Callable[[Storage], _Span]) -> Callable[[Described], Stored]:
    spans: dict[Storage, _Span] = {}
    sound: set[_Span] = set()

    def resolve(tensor: Described) -> Stored:
        if tensor.storage not in spans:
            spans[tensor.storage] = place(tensor.storage)
        span = spans[tensor.storage]
        _check_extent(tensor, span)
        where = (span.path, span.start, tensor.offset, tensor.shape, tensor.stride)
        return Stored(tensor.shape, tensor.dtype, lambda: _materialise(tensor, span, sound), where)

    return resolve


def _check_extent(tensor: Described, span: _Span) -> None:
    """Refuse a tensor that reaches beyond its storage, or is larger: a few bytes could stand for any number."""
    declared = tensor.storage.count * _itemsize(tensor.storage.dtype)
    if declared > span.size:
        raise NotRead(f"it declares a storage of {tensor.storage.count:,} numbers, more than the file has")
    available = declared // _itemsize(tensor.dtype)
    numbers, last = 1, tensor.offset
    for length, stride in zip(tensor.shape, tensor.stride, strict=True):
        numbers *= length
        last += (length - 1) * stride
    if numbers > available or (numbers and last >= available):
        raise NotRead(f"a tensor of shape {cut(str(tensor.shape))} is larger than what the file holds for it")


def _materialise(tensor: Described, span: _Span, sound: set[_Span]) -> torch.Tensor:
    """Return a tensor's numbers; of a storage that tensors share each reads its own part, once all is found `sound`."""
    kind: torch.dtype = getattr(torch, tensor.dtype)
    if 0 in tensor.shape:
        return torch.empty(tensor.shape, dtype=kind)
    last = sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride, strict=True))
    start, size = tensor.offset * kind.itemsize, (last + 1) * kind.itemsize
    if size == span.size:
        buffer = span.read()
    else:
        if span not in sound:
            span.check()
            sound.add(span)
        buffer = span.part(start, size)
    return torch.frombuffer(buffer, dtype=kind).as_strided(tensor.shape, tensor.stride, 0).contiguous()


def _flat(
    content: Any, resolve: Callable[[Described], Stored] | None = None
) -> tuple[dict[str, Stored], dict[str, str]]:
    tensors: dict[str, Stored] = {}
    containers: dict[str, str] = {}
    for container, name, leaf in tensors_of(content, (Described, Stored)):
        if isinstance(leaf, Described):
            if resolve is None:
                raise NotRead("it describes a tensor without numbers")
            leaf = resolve(leaf)
        if len(leaf.shape) > DIMENSIONS or math.prod(max(1, length) for length in leaf.shape) > LARGEST_TENSOR:
            raise NotRead(f"its tensor {cut(name)} has an impossible shape")
        tensors[name], containers[name] = leaf, container
    return tensors, containers
