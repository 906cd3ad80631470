"""Sample (data): the entry point; makes data sets that are not there yet, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from virb.core.errors import OutputError, UsageError, nearest
from virb.core.files import read_bytes
from virb.core.locks import held, lock_path
from virb.core.paths import explain_write_errors, is_stray, sweep, temporary_beside, write_whole
from virb.core.trust import check_cache
from virb.data.classes import SAMPLE_MARKER
from virb.data.common import LARGEST_MARKER, is_sample, sample_markers
from virb.sample.crew import Done, Make, Runner, crew, crew_size, write_file
from virb.sample.sets import WRITERS

VERSION = 2
"""Raised whenever the same name, size and seed would give other bytes."""
DATASETS: tuple[str, ...] = tuple(WRITERS)

Progress: TypeAlias = Callable[[str, int, int], None]
"""(data set, items done, items in all), called in the parent."""


@dataclass(frozen=True)
class _Order:
    """One data set to be made: which, where, how large, from which seed."""

    name: str
    root: Path
    size: float
    seed: int
    difficulty: float

    @property
    def place(self) -> Path:
        return self.root / WRITERS[self.name].folder

    @property
    def identity(self) -> dict[str, object]:
        made = {"sample": self.name, "generator": VERSION}
        return {**made, "size": self.size, "seed": self.seed, "difficulty": self.difficulty}


def ensure(
    names: Iterable[str],
    *,
    folder: Path | None = None,
    size: float = 1.0,
    seed: int = 0,
    difficulty: float = 1.0,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Make those of the named data sets that are not there yet; return the folder that holds them.

    The same name, size, seed and difficulty give the same bytes. `size` scales the number of items, and a larger world
    keeps the items of a smaller one. A data set that was begun and not finished, or made otherwise, is made again.
    """
    chosen = _checked(names, size, difficulty, workers)
    size = float(size)
    harder = "" if difficulty == 1 else f"-difficulty{difficulty:g}"
    root = folder or check_cache() / "sample" / f"v{VERSION}-size{size:g}-seed{seed}{harder}"
    orders = [_Order(name, Path(root), size, seed, float(difficulty)) for name in chosen]
    sweep(Path(root))
    if not all(map(_is_whole, orders)):
        with held(lock_path("sample", str(Path(root).resolve())), "is making the sample world"):
            _make_missing(Path(root), orders, workers, progress)
    return Path(root)


def _make_missing(root: Path, orders: Sequence[_Order], workers: int | None, progress: Progress | None) -> None:
    with explain_write_errors(root):
        for order in orders:
            outside, inside = sample_markers(order.place)
            with suppress(FileNotFoundError, NotADirectoryError):  # as worlds were marked once
                os.replace(inside, outside)
        missing = [order for order in orders if not _is_whole(order)]
        _claim(root, missing)
        items = sum(len(WRITERS[order.name].items(order.size)) for order in missing)
        with crew(crew_size(workers, items)) as run:
            for order in missing:
                _make(order, run, progress)


def _checked(names: Iterable[str], size: float, difficulty: float, workers: int | None) -> list[str]:
    chosen = list(dict.fromkeys([names] if isinstance(names, str) else names))
    for name in chosen:
        if name not in WRITERS:
            raise UsageError(
                f"there is no sample data set '{name}'",
                f"one of {', '.join(DATASETS)}",
                nearest(name, DATASETS),
            )
    if not (math.isfinite(size) and size > 0):
        raise UsageError(f"a sample world of size {size}", "a number above 0; 1 is the usual size")
    if not 0.25 <= difficulty <= 8:
        raise UsageError(f"a sample world of difficulty {difficulty}", "0.25 to 8; 1 is the usual one")
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers", "1 or more")
    return chosen


def _make(order: _Order, run: Runner, progress: Progress | None) -> None:
    """Build a data set in a temporary folder beside its place, and move it there whole."""
    temporary = temporary_beside(order.place)
    try:
        temporary.mkdir(parents=True)
        marker = _fill(temporary, order, run, progress)
        _move(temporary, order, marker)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fill(temporary: Path, order: _Order, run: Runner, progress: Progress | None) -> bytes:
    """Write all items, then the lists over them; return the marker."""
    writer = WRITERS[order.name]
    items = writer.items(order.size)
    done: list[Done] = []
    if progress:
        progress(order.name, 0, len(items))
    for some in run(Make(order.name, order.seed, order.difficulty), temporary, items):
        done += some
        if progress:
            progress(order.name, len(done), len(items))
    rank = {item: number for number, item in enumerate(items)}
    done.sort(key=lambda one: rank[one.item])
    files = [file for one in done for file in one.files]
    for path, content in writer.lists([(one.item, one.record) for one in done]).items():
        files.append(write_file(temporary, path, content))
    return _marker(order, files)


def _marker(order: _Order, files: Sequence[tuple[str, int, str]]) -> bytes:
    """Return the marker: what was made, and the sha256 over the sorted paths and their sha256."""
    listing = "".join(f"{path} {checksum}\n" for path, _, checksum in sorted(files))
    counts = {"files": len(files), "bytes": sum(length for _, length, _ in files)}
    checksum = hashlib.sha256(listing.encode()).hexdigest()
    return json.dumps({**order.identity, **counts, "sha256": checksum}, indent=1).encode() + b"\n"


def _is_whole(order: _Order) -> bool:
    """Return whether the data set is there as this order would make it, with no file lost or cut short."""
    try:
        marker = json.loads(read_bytes(sample_markers(order.place)[0], LARGEST_MARKER))
        same = all(marker.get(key) == value for key, value in order.identity.items())
        return same and (marker["files"], marker["bytes"]) == _extent(order.place)
    except (OSError, ValueError, KeyError, AttributeError, RecursionError):
        return False


def _extent(place: Path) -> tuple[int, int]:
    """Return the number of files and their bytes, less what file managers leave anywhere."""
    count = total = 0
    for folder, inner, names in os.walk(place):
        inner[:] = [name for name in inner if not is_stray(name)]
        for name in names:
            if not is_stray(name):
                count += 1
                total += os.stat(os.path.join(folder, name)).st_size
    return count, total


def _move(temporary: Path, order: _Order, marker: bytes) -> None:
    """Move a finished folder into its place; whoever comes second finds a whole one there and gives way.

    The marker goes first: a folder without one would be taken for somebody's data, and one that is not there yet, or
    is another, does not have the files and bytes that the marker counts.
    """
    write_whole(sample_markers(order.place)[0], marker)
    for attempt in range(9):
        try:
            os.rename(temporary, order.place)
            return
        except OSError:
            if attempt == 8 or (order.place.exists() and not order.place.is_dir()):
                raise
        if _is_whole(order):
            return
        aside = temporary.with_name(temporary.name.replace(".tmp", f"{attempt}.tmp"))
        with suppress(FileNotFoundError):  # another process may be clearing the same place
            os.rename(order.place, aside)
        shutil.rmtree(aside, ignore_errors=True)


def _claim(root: Path, missing: Sequence[_Order]) -> None:
    """Mark the root as a sample world; never remove what another hand has put there."""
    root.mkdir(parents=True, exist_ok=True)
    if (root / SAMPLE_MARKER).exists():
        return
    for order in missing:
        if order.place.exists() and not is_sample(order.place):
            raise OutputError(
                f"{order.place} is already there and was not made by the sample world",
                "a folder for sample data alone",
                "choose another folder; real data are never overwritten",
            )
    write_whole(root / SAMPLE_MARKER, json.dumps({"sample": "world", "generator": VERSION}) + "\n")
