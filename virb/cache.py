"""Cache: features on disk, packed and memory-mapped, shared by tasks and runs.

An entry is a folder with one array and a marker. The marker is written last and carries the array's checksum, so
a half-written or damaged entry is noticed and made again. Its name is the digest of all that shaped the numbers.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from virb.backbones import Encoder
from virb.digest import digest, digest_array
from virb.encode import encode
from virb.paths import explain_write_errors, replace_folder, sweep, temporary_beside, write_whole
from virb.types import Features, Numerics, Pool, View

FORMAT = 1
_ARRAY, _MARKER = "pooled.f32", "entry.json"
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Entry:
    """One finished entry, as `virb cache show` lists it."""

    key: str
    folder: Path
    facts: dict[str, object]
    bytes: int
    used: float


class Cache:
    """Feature arrays below one folder, at most `limit` bytes of them; the least recently used go first."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder / "features", limit

    def features(
        self,
        encoder: Encoder,
        pool: Pool,
        rows: np.ndarray,
        view: View,
        numerics: Numerics,
        *,
        workers: int = 0,
        advance: Advance = lambda count: None,
    ) -> Features:
        """Return the features of these pool rows: read if an entry holds them, else encoded and kept."""
        whole = np.arange(len(pool))
        for wanted in (whole, rows):
            found = self._open(self.key(encoder, pool, wanted, view, numerics), len(wanted), encoder.shape.width)
            if found is not None:
                advance(len(rows))
                return Features(wanted, found)
        key = self.key(encoder, pool, rows, view, numerics)
        device = torch.device(numerics.device)
        paths = [pool.paths[row] for row in rows]
        chunks = encode(encoder, paths, view, numerics, device, workers)
        facts = {"encoder": encoder.card.name, "source": pool.source, "images": len(rows), "size": view.size}
        self._write(key, chunks, facts, encoder.shape.width, advance)
        found = self._open(key, len(rows), encoder.shape.width)
        assert found is not None
        self.evict(keep=key)
        return Features(rows, found)

    def holds(self, encoder: Encoder, pool: Pool, rows: np.ndarray, view: View, numerics: Numerics) -> bool:
        """Tell whether these features need no encoding."""
        keys = (self.key(encoder, pool, wanted, view, numerics) for wanted in (np.arange(len(pool)), rows))
        return any((self.folder / key / _MARKER).exists() for key in keys)

    @staticmethod
    def key(encoder: Encoder, pool: Pool, rows: np.ndarray, view: View, numerics: Numerics) -> str:
        """Return the digest of everything that shapes the stored numbers."""
        return digest(
            {
                "format": FORMAT,
                "encoder": encoder.fingerprint,
                "pool": pool.fingerprint,
                "rows": digest_array(rows.astype(np.int64)),
                "view": asdict(view),
                "numerics": asdict(numerics),
                "outputs": ["pooled"],
            }
        )

    def entries(self) -> list[Entry]:
        """Return every finished entry, the most recently used first."""
        found = [entry for folder in self._folders() if (entry := _entry(folder))]
        return sorted(found, key=lambda entry: -entry.used)

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

    def _folders(self) -> list[Path]:
        return [path for path in self.folder.glob("[0-9a-f]*") if path.is_dir()] if self.folder.is_dir() else []

    def _open(self, key: str, rows: int, width: int) -> torch.Tensor | None:
        """Return the entry's array [R, D], or nothing when it is absent, cut short or damaged."""
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
        os.utime(folder / _MARKER)
        return torch.from_numpy(array)

    def _write(
        self, key: str, chunks: Iterator[torch.Tensor], facts: dict[str, object], width: int, advance: Advance
    ) -> None:
        """Write array, then marker, in a folder of our own, and move it into place whole."""
        place = self.folder / key
        temporary = temporary_beside(place)
        with explain_write_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            sweep(self.folder)
            temporary.mkdir()
        try:
            checksum = self._write_array(temporary / _ARRAY, chunks, width, advance)
            write_whole(temporary / _MARKER, json.dumps({**facts, "width": width, "crc32": checksum}))
            replace_folder(temporary, place)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @staticmethod
    def _write_array(path: Path, chunks: Iterator[torch.Tensor], width: int, advance: Advance) -> int:
        checksum = 0
        with explain_write_errors(path):
            stream = open(path, "wb")  # noqa: SIM115  (the encoder's own OSErrors must not pass for a full disk)
        with stream:
            for chunk in chunks:
                assert chunk.shape[1] == width
                data = chunk.numpy().astype("<f4", copy=False).tobytes()
                with explain_write_errors(path):
                    stream.write(data)
                checksum = zlib.crc32(data, checksum)
                advance(len(chunk))
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
