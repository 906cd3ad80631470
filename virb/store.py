"""Store: packed arrays on disk under the digest of what they are, whole or not at all.

An entry is a folder with one array and a marker. The marker is written last and carries the array's checksum, so
a half-written or damaged entry is noticed by the next reader.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from virb.paths import explain_write_errors, replace_folder, sweep, temporary_beside, write_whole

_ARRAY, _MARKER = "pooled.f32", "entry.json"


@dataclass(frozen=True)
class Entry:
    """One finished entry, as `virb cache show` lists it."""

    key: str
    folder: Path
    facts: dict[str, object]
    bytes: int
    used: float


class Store:
    """Arrays below one folder, at most `limit` bytes of them; the least recently used go first."""

    def __init__(self, folder: Path, limit: int = 0) -> None:
        self.folder, self.limit = folder / "features", limit

    def __contains__(self, key: str) -> bool:
        return (self.folder / key / _MARKER).exists()

    def entries(self) -> list[Entry]:
        """Return every finished entry, the most recently used first."""
        folders = self.folder.glob("[0-9a-f]*") if self.folder.is_dir() else ()
        return sorted(filter(None, map(_entry, folders)), key=lambda entry: -entry.used)

    def clear(self) -> int:
        """Remove everything, finished or not; return the bytes set free."""
        freed = sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())
        with explain_write_errors(self.folder):
            if self.folder.exists():
                shutil.rmtree(self.folder)
        return freed

    def evict(self, keep: str) -> None:
        """Drop the least recently used entries until the rest fits; the one in use stays."""
        total = 0
        for entry in self.entries():
            total += entry.bytes
            if total > self.limit and entry.key != keep:
                shutil.rmtree(entry.folder, ignore_errors=True)

    def read(self, key: str, rows: int, width: int) -> np.ndarray | None:
        """Return an entry's array [rows, width], or nothing when it is absent, cut short or damaged."""
        folder = self.folder / key
        entry = _entry(folder)
        if entry is None:
            return None
        try:
            array = np.memmap(folder / _ARRAY, dtype="<f4", mode="c", shape=(rows, width))
        except (OSError, ValueError):
            return None
        if entry.bytes != array.nbytes or zlib.crc32(np.asarray(array).data) != entry.facts.get("crc32"):
            return None
        with suppress(OSError):  # somebody else's cache may be read-only: only the order of eviction suffers
            os.utime(folder / _MARKER)
        return array

    def write(self, key: str, chunks: Iterable[np.ndarray], facts: dict[str, object]) -> None:
        """Write array, then marker, in a folder of our own, and move it into place whole."""
        place = self.folder / key
        temporary = temporary_beside(place)
        with explain_write_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            sweep(self.folder)
            temporary.mkdir()
        try:
            checksum = _write_array(temporary / _ARRAY, chunks)
            write_whole(temporary / _MARKER, json.dumps({**facts, "crc32": checksum}))
            replace_folder(temporary, place)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _write_array(path: Path, chunks: Iterable[np.ndarray]) -> int:
    """Write chunk after chunk; only our own writes are explained, not what goes wrong in making a chunk."""
    checksum = 0
    with explain_write_errors(path):
        stream = open(path, "wb")  # noqa: SIM115
    with stream:
        for chunk in chunks:
            data = chunk.astype("<f4", copy=False).tobytes()
            checksum = zlib.crc32(data, checksum)
            with explain_write_errors(path):
                stream.write(data)
        with explain_write_errors(path):
            stream.flush()
            os.fsync(stream.fileno())
    return checksum


def _entry(folder: Path) -> Entry | None:
    try:
        facts = dict(json.loads((folder / _MARKER).read_text()))
        size = (folder / _ARRAY).stat().st_size
        return Entry(folder.name, folder, facts, size, (folder / _MARKER).stat().st_mtime)
    except (OSError, ValueError, TypeError):
        return None
