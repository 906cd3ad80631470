"""Store: packed arrays on disk under the digest of what they are, whole or not at all.

An entry is a folder of arrays and a marker. The marker is written last and carries size and checksums, so a
half-written or damaged entry is noticed by the next reader. Arrays too large to be summed at each start carry a
checksum per row, and each row is checked when it is first read.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import numpy as np

from virb.core.errors import DamagedEntry, OutputError
from virb.core.files import open_file, read_bytes
from virb.core.locks import Say, held, lock_path, remove_free
from virb.core.paths import explain_write_errors, replace_folder, sweep, temporary_beside, write_whole
from virb.core.trust import make_private

if TYPE_CHECKING:
    import torch

Found = TypeVar("Found")
_MARKER = "entry.json"
_LARGEST_MARKER = 1 << 20
"""Bytes of a marker: far above any that is written."""
_WHOLE = 256 << 20
"""Arrays of at most this many bytes are always checked when they are opened."""


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

    def whole(self, entry: Entry) -> bool:
        """Tell whether an entry's arrays are as many and as long as its marker and checksums say; no row is read."""
        recorded = entry.facts.get("arrays")
        try:
            for name, known in recorded.items() if isinstance(recorded, dict) else ():
                sums = read_bytes((entry.folder / name).with_suffix(".crc"), _WHOLE)
                length = (entry.folder / name).stat().st_size
                if zlib.crc32(sums) != known or not sums or length % (len(sums) // 4):
                    return False
        except (OSError, ValueError):  # a name may be none that a file can have
            return False
        return bool(recorded)

    def clear(self) -> int:
        """Remove everything, finished or not; return the bytes set free."""
        freed = sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())
        with explain_write_errors(self.folder):
            if self.folder.exists():
                shutil.rmtree(self.folder)
        for path in (self.folder.parent / "locks").glob("*.lock"):
            remove_free(path)
        return freed

    def remove(self, entries: Iterable[Entry]) -> tuple[int, list[Entry]]:
        """Remove these entries; return the bytes set free, and those that stay because another process is at them."""
        freed, left = 0, []
        for entry in entries:
            lock = self._lock(entry.key)
            with held(lock, "uses it", wait=False) as mine:
                if mine:
                    with explain_write_errors(entry.folder), suppress(FileNotFoundError):
                        shutil.rmtree(entry.folder)
                        freed += entry.bytes
                else:
                    left.append(entry)
            remove_free(lock)
        return freed, left

    def evict(self, keep: str) -> None:
        """Drop the least recently used entries until the rest fits; the one in use stays."""
        total = 0
        for entry in self.entries():
            total += entry.bytes
            if total > self.limit and entry.key != keep:
                with held(self._lock(entry.key), "uses it", wait=False) as mine:
                    if mine:  # else another process is making it anew
                        shutil.rmtree(entry.folder, ignore_errors=True)

    def _lock(self, key: str) -> Path:
        return lock_path("entry", key, cache=self.folder.parent)

    def once(
        self,
        key: str,
        read: Callable[[], Found | None],
        chunks: Callable[[], Iterable[Mapping[str, np.ndarray]]],
        facts: dict[str, object],
        say: Say | None = None,
    ) -> tuple[Found, bool]:
        """Return what `read` finds in an entry, and whether it was made for it: by one process, others wait for it."""
        found, made = read(), False
        if found is None:
            with held(self._lock(key), f"is making the {_title(facts)}", say):
                found = read()
                if found is None:
                    self.write(key, chunks(), facts)
                    found, made = read(), True
        if found is None:
            raise OutputError(
                f"the {_title(facts)} that were just written to {self.folder / key} are gone",
                "a cache that nobody clears during a run",
                "run the same command again",
            )
        if made:
            self.evict(keep=key)
        return found, made

    def read(
        self, key: str, name: str, rows: int, width: int, kind: str = "<f4", whole: bool = True
    ) -> StoredRows | None:
        """Return an entry's array [rows, width], or nothing when it is absent, cut short or damaged.

        With `whole` every row is checked now; without it a large array's rows are checked when they are taken.
        """
        folder = self.folder / key
        entry = _entry(folder)
        if entry is None:
            return None
        place = folder / name
        try:
            with open_file(place) as stream:
                array: np.ndarray = np.memmap(stream, dtype=kind, mode="c", shape=(rows, width))
            if place.stat().st_size != array.nbytes:
                return None
            sums = np.frombuffer(read_bytes(place.with_suffix(".crc"), 4 * rows), "<u4")
        except (OSError, ValueError):
            return None
        checked = StoredRows(array, sums, place)
        recorded = entry.facts.get("arrays")
        known = recorded.get(name) if isinstance(recorded, dict) else None
        if len(sums) != rows or known != zlib.crc32(sums.data):
            return None
        if (whole or array.nbytes <= _WHOLE) and not checked.sound(np.arange(rows)):
            return None
        with suppress(OSError):  # somebody else's cache may be read-only: only the order of eviction suffers
            os.utime(folder / _MARKER, follow_symlinks=os.utime not in os.supports_follow_symlinks)
        return checked

    def write(self, key: str, chunks: Iterable[Mapping[str, np.ndarray]], facts: dict[str, object]) -> None:
        """Write arrays, then marker, in a folder of our own, and move it into place whole."""
        place = self.folder / key
        temporary = temporary_beside(place)
        with explain_write_errors(self.folder):
            make_private(self.folder.parent)
            make_private(self.folder)
            sweep(self.folder)
            temporary.mkdir()
        try:
            checksums = _write_arrays(temporary, chunks)
            write_whole(temporary / _MARKER, json.dumps({**facts, "arrays": checksums}))
            replace_folder(temporary, place)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


class StoredRows:
    """An array on disk whose rows are checked when they are first read."""

    def __init__(self, array: np.ndarray, sums: np.ndarray, place: Path) -> None:
        self.array, self.sums, self.place = array, sums, place
        self.seen = np.zeros(len(array), bool)

    def __len__(self) -> int:
        return len(self.array)

    def take(self, rows: np.ndarray) -> torch.Tensor:
        """Return a copy of these rows; a damaged one is an error, and its entry is gone for the next run."""
        import torch

        self._check(rows)
        return torch.from_numpy(np.asarray(self.array[rows]))

    def views(self, rows: np.ndarray) -> Iterator[torch.Tensor]:
        """Yield each of these rows where it lies, not copied, to be read only; checked as `take` does."""
        import torch

        self._check(rows)
        for row in rows:
            yield torch.from_numpy(self.array[row])

    def _check(self, rows: np.ndarray) -> None:
        if not self.sound(rows):
            shutil.rmtree(self.place.parent, ignore_errors=True)
            raise DamagedEntry(
                f"the cached array {self.place} is damaged",
                "the bytes that were written",
                "run the same command again: the entry is made anew; where it cannot be removed, 'virb cache clear'",
            )

    def sound(self, rows: np.ndarray) -> bool:
        """Tell whether these rows are what was written."""
        for row in np.asarray(rows).ravel():
            if not self.seen[row]:
                if zlib.crc32(self.array[row].data) != self.sums[row]:
                    return False
                self.seen[row] = True
        return True


def _title(facts: Mapping[str, object]) -> str:
    return f"{facts.get('what', 'features')} of {facts.get('source', 'a data set')}"


def _write_arrays(folder: Path, chunks: Iterable[Mapping[str, np.ndarray]]) -> dict[str, int]:
    """Write chunk after chunk; only our own writes are explained, not what goes wrong in making a chunk."""
    sums: dict[str, list[int]] = {}
    with ExitStack() as streams:
        files: dict[str, BinaryIO] = {}
        for chunk in chunks:
            for name, part in chunk.items():
                with explain_write_errors(folder / name):
                    if name not in files:
                        files[name] = streams.enter_context(open(folder / name, "wb"))
                    lines = np.ascontiguousarray(part).reshape(len(part), -1)
                    sums.setdefault(name, []).extend(zlib.crc32(line.data) for line in lines)
                    files[name].write(lines.data)
        for name, stream in files.items():
            with explain_write_errors(folder / name):
                stream.flush()
                os.fsync(stream.fileno())
    checksums = {}
    for name, values in sums.items():
        array = np.array(values, "<u4")
        with explain_write_errors(folder / name):
            (folder / name).with_suffix(".crc").write_bytes(array.tobytes())
        checksums[name] = zlib.crc32(array.data)
    return checksums


def _entry(folder: Path) -> Entry | None:
    try:
        facts = dict(json.loads(read_bytes(folder / _MARKER, _LARGEST_MARKER)))
        size = sum(file.stat().st_size for file in folder.iterdir() if file.name != _MARKER)
        return Entry(folder.name, folder, facts, size, (folder / _MARKER).stat().st_mtime)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
