"""Sample (data): the workers that make a data set's items, in this process or in several."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from virb.core import workers as processes
from virb.sample.engine.render import difficulty
from virb.sample.sets import WRITERS
from virb.sample.sets.writing import Item

CHUNK = 8
"""Items handed to a worker at a time: about a tenth of a second's work."""
WORTH_A_WORKER = 40
"""Fewer items than this are made sooner than another worker starts."""


@dataclass(frozen=True)
class Done:
    """An item whose files are written: their paths, sizes and sha256, and what the lists need."""

    item: Item
    files: tuple[tuple[str, int, str], ...]
    record: Any


@dataclass(frozen=True)
class Make:
    """What is made: which data set, from which seed, how hard."""

    name: str
    seed: int
    difficulty: float = 1.0


Runner: TypeAlias = Callable[[Make, Path, Sequence[Item]], Iterator[list[Done]]]
"""(what to make, folder, items) -> items done, a few at a time, in any order."""


def write_file(folder: Path, path: str, content: bytes) -> tuple[str, int, str]:
    """Write one file and return its path, size and sha256."""
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return path, len(content), hashlib.sha256(content).hexdigest()


def make_items(what: Make, folder: Path, items: Sequence[Item]) -> list[Done]:
    """Make some items of a data set and write their files."""
    done = []
    for item in items:
        with difficulty(what.difficulty):
            made = WRITERS[what.name].make(what.seed, item)
        files = tuple(write_file(folder, path, content) for path, content in made.files.items())
        done.append(Done(item, files, made.record))
    return done


@contextmanager
def crew(workers: int) -> Iterator[Runner]:
    """Yield a runner over this many processes; none outlives the block."""
    with processes.crew(workers) as pool:

        def run(what: Make, folder: Path, items: Sequence[Item]) -> Iterator[list[Done]]:
            size = CHUNK if pool else 1  # alone, each item is told of
            chunks = [items[start : start + size] for start in range(0, len(items), size)]
            return processes.spread_over(pool, partial(make_items, what, folder), chunks)

        yield run


def crew_size(workers: int | None, items: int) -> int:
    """Return how many processes to use: as asked, else one per core this process may use and enough work."""
    most = processes.worker_count(workers)
    return max(1, most if workers is not None else min(most, items // WORTH_A_WORKER))
