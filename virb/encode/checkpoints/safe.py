"""Checkpoints: a file to named tensors that are not read yet; every size is checked before memory is taken.

Three containers: safetensors (one file, or shards with an index), torch's zip archive (TorchScript's too: tensors
only), and the pickles that torch wrote before 1.6. What a file holds decides, not how it is called.
"""

from __future__ import annotations

import io
import json
import mmap
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from virb.core.errors import CheckpointError
from virb.encode.checkpoints.machine import Described, Inert, NotRead, Refused, Storage, read_pickle

LARGEST_PICKLE = 256 << 20
LARGEST_INDEX = 64 << 20
NESTING = 16
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
        contents = _open(path)
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


def _open(path: Path) -> Contents:
    with open(path, "rb") as stream:
        head = stream.read(512)
    if head.startswith(b"PK"):
        return _read_zip(path)
    if len(head) > 8 and head[8:9] == b"{":
        return Contents("safetensors", *_flat(_safetensors(path)))
    if head.lstrip().startswith(b"{") and path.suffix == ".json":
        return _read_index(path)
    if head.startswith(b"\x80"):
        return _read_legacy(path)
    for magic, place, name in ((b"\x1f\x8b", 0, "a gzip archive"), (b"ustar", 257, "a tar archive")):
        if head[place : place + len(magic)] == magic:
            raise NotRead(f"it is {name}: unpack it, or where torch wrote it before 2017, re-save it")
    raise NotRead("it is neither safetensors nor a file that torch.save wrote" if head else "it is empty")


def _safetensors(path: Path) -> dict[str, Stored]:
    """Describe the tensors of a file whose header the library found sound; their bytes are read here.

    The library would map the whole file for each tensor: what a user then writes over it would change the encoder.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt"):
            pass
    except SafetensorError as error:
        raise NotRead(f"its safetensors header is broken ({error})"[:200]) from error
    with open(path, "rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    found = {}
    for name, part in header.items():
        if name != "__metadata__":
            kind, shape, (start, end) = part["dtype"], tuple(part["shape"]), part["data_offsets"]
            dtype, span = _SAFETENSORS.get(kind, kind), _Span(path, 8 + length + start, end - start)
            found[name] = Stored(shape, dtype, partial(_dense, span, dtype, shape), (path, name))
    return found


def _dense(span: _Span, dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype):
        raise unusable(span.path, f"it holds tensors of the type {dtype}")
    return torch.frombuffer(span.read(), dtype=kind).reshape(shape) if span.size else torch.empty(shape, dtype=kind)


def _read_index(path: Path) -> Contents:
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
            raise NotRead(f"its shard {shard!r} does not lie beside it")
        if not (path.parent / shard).is_file():
            raise NotRead(f"its shard {shard} is not there")
        part = _open(path.parent / shard) if not shard.endswith(".json") else None
        if part is None:
            raise NotRead(f"its shard {shard} is an index itself")
        tensors.update(part.tensors)
    lost = [name for name in names if name not in tensors]
    if lost:
        raise NotRead(f"its shards lack {len(lost)} tensors, the first is {lost[0]}")
    return Contents("sharded safetensors", *_flat({name: tensors[name] for name in names}))


@dataclass(frozen=True)
class _Span:
    """Bytes of a file that hold a storage."""

    path: Path
    start: int
    size: int
    checksum: int | None = None

    def read(self) -> bytearray:
        buffer = bytearray(self.size)
        with open(self.path, "rb") as stream:
            stream.seek(self.start)
            if stream.readinto(buffer) != self.size:
                raise unusable(self.path, "it ends before its last tensor")
        if self.checksum is not None and zlib.crc32(buffer) != self.checksum:
            raise unusable(self.path, f"its bytes from {self.start:,} on do not fit their checksum: it is damaged")
        return buffer


def _read_zip(path: Path) -> Contents:
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        if len(entries) != len(archive.infolist()):
            raise NotRead("two entries of its archive share a name")
        pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise NotRead("its archive holds no data.pkl, so torch.save did not write it")
        folder = pickles[0].removesuffix("data.pkl")
        used = [info for name, info in entries.items() if name == pickles[0] or name.startswith(f"{folder}data/")]
        _check_entries(used, size)
        if f"{folder}byteorder" in entries and archive.open(f"{folder}byteorder").read(16).strip() != b"little":
            raise NotRead("it was written on a big-endian machine: re-save it on another")
        if entries[pickles[0]].file_size > LARGEST_PICKLE:
            raise NotRead(f"its pickle is larger than {LARGEST_PICKLE >> 20} MiB")
        content = read_pickle(io.BytesIO(archive.read(pickles[0])))
        script = f"{folder}constants.pkl" in entries
    kind = "TorchScript archive (tensors only)" if script else "torch zip"

    def place(storage: Storage) -> _Span:
        info = entries.get(f"{folder}data/{storage.key}")
        if info is None:
            raise NotRead(f"its archive lacks data/{storage.key}"[:200])
        return _entry(path, info, size)

    return Contents(kind, *_flat(content, _resolver(place)))


def _check_entries(used: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse what could grow: torch compresses only the code of TorchScript, and that is never read."""
    if any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in used):
        raise NotRead("its archive is compressed or encrypted, which torch.save never does")
    if sum(info.file_size for info in used) > size:
        raise NotRead("its archive declares more bytes than the file has")


def _entry(path: Path, info: zipfile.ZipInfo, size: int) -> _Span:
    """Return where the bytes of a stored entry lie: behind its own header, whose length is written there."""
    with open(path, "rb") as stream:
        stream.seek(info.header_offset)
        header = stream.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise NotRead("the directory of its archive is broken")
    start = info.header_offset + 30 + sum(struct.unpack("<HH", header[26:30]))
    if start + info.file_size > size:
        raise NotRead("its archive declares more bytes than the file has")
    return _Span(path, start, info.file_size, info.CRC)


def _read_legacy(path: Path) -> Contents:
    """Read what torch.save wrote before 1.6: five pickles, then each storage's count and numbers."""
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        if read_pickle(memory) != _LEGACY_MAGIC:  # type: ignore[arg-type]  # a mapping reads like a file
            raise NotRead("it is a plain pickle, not a file that torch.save wrote")
        read_pickle(memory)  # type: ignore[arg-type]
        system = read_pickle(memory)  # type: ignore[arg-type]
        if isinstance(system, dict) and system.get("little_endian") is False:
            raise NotRead("it was written on a big-endian machine: re-save it on another")
        storages: dict[str, Storage] = {}
        content, keys = read_pickle(memory, storages), read_pickle(memory)  # type: ignore[arg-type]
        spans = dict(_legacy_spans(path, memory, keys, storages))

    def place(storage: Storage) -> _Span:
        if storage.key not in spans:
            raise NotRead(f"it lacks the numbers of storage {storage.key}"[:200])
        return spans[storage.key]

    return Contents("torch pickle (before 1.6)", *_flat(content, _resolver(place)))


def _legacy_spans(
    path: Path, memory: mmap.mmap, keys: Any, storages: Mapping[str, Storage]
) -> Iterator[tuple[str, _Span]]:
    if not isinstance(keys, list):
        raise NotRead("its list of storages is broken")
    for key in keys:
        if key not in storages:
            raise NotRead(f"its storage {str(key)[:40]} belongs to no tensor")
        (count,) = struct.unpack("<q", memory.read(8))
        size = count * _itemsize(storages[key].dtype)
        if count != storages[key].count or memory.tell() + size > len(memory):
            raise NotRead(f"it declares a storage of {count:,} numbers, more than the file has")
        yield key, _Span(path, memory.tell(), size)
        memory.seek(size, io.SEEK_CUR)


def _itemsize(dtype: str) -> int:
    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype):
        raise NotRead(f"it holds tensors of the unknown type {dtype}"[:200])
    return kind.itemsize


def _resolver(place: Callable[[Storage], _Span]) -> Callable[[Described], Stored]:
    spans: dict[Storage, _Span] = {}

    def resolve(tensor: Described) -> Stored:
        if tensor.storage not in spans:
            spans[tensor.storage] = place(tensor.storage)
        span = spans[tensor.storage]
        _check_extent(tensor, span)
        where = (span.path, span.start, tensor.offset, tensor.shape, tensor.stride)
        return Stored(tensor.shape, tensor.dtype, lambda: _materialise(tensor, span), where)

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
        raise NotRead(f"a tensor of shape {tensor.shape} is larger than what the file holds for it"[:200])


def _materialise(tensor: Described, span: _Span) -> torch.Tensor:
    kind: torch.dtype = getattr(torch, tensor.dtype)
    if 0 in tensor.shape:
        return torch.empty(tensor.shape, dtype=kind)
    numbers = torch.frombuffer(span.read(), dtype=kind, count=span.size // kind.itemsize)
    return numbers.as_strided(tensor.shape, tensor.stride, tensor.offset).contiguous()


def _flat(
    content: Any, resolve: Callable[[Described], Stored] | None = None
) -> tuple[dict[str, Stored], dict[str, str]]:
    tensors: dict[str, Stored] = {}
    containers: dict[str, str] = {}
    for container, key, leaf in _leaves(content):
        name = f"{container}.{key}" if container else key
        if isinstance(leaf, Described):
            if resolve is None:
                raise NotRead("it describes a tensor without numbers")
            leaf = resolve(leaf)
        tensors[name], containers[name] = leaf, container
    return tensors, containers


def _leaves(content: Any) -> Iterator[tuple[str, str, Described | Stored]]:
    """Yield container, name and tensor; a dictionary that is met again is not walked again."""
    seen: set[int] = set()
    waiting: list[tuple[str, str, Any, int]] = [("", "", content, 0)]
    while waiting:
        container, stem, node, depth = waiting.pop()
        if not isinstance(node, (dict, list, Inert)) or id(node) in seen or depth > NESTING:
            continue
        seen.add(id(node))
        for key, value in _items(node):
            name = f"{stem}{key}"
            if isinstance(value, (Described, Stored)):
                yield container, name, value
            elif isinstance(value, Inert):
                waiting.append((container, f"{name}.", value, depth + 1))
            elif not stem:
                waiting.append((f"{container}.{key}" if container else str(key), "", value, depth + 1))


def _items(node: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, Inert):
        yield from node.state.items()
    elif isinstance(node, dict):
        yield from node.items()
    else:
        yield from enumerate(node[:8])  # a list around state dicts is short; long ones hold curves and optimisers
