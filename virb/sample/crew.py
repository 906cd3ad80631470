"""Sample (data): the workers that make a data set's items, in this process or in several.

Workers are spawned, never forked: a fork copies the locks of whatever threads torch has running. They are told
nothing of the caller's main module, which may be a pipe, a notebook or a script that would start training again.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from virb.errors import VirbError
from virb.sample.render import difficulty
from virb.sample.sets import WRITERS
from virb.sample.writing import Item

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
    pool = _pool(workers) if workers > 1 else None
    if pool is None:
        yield _alone
        return

    def together(what: Make, folder: Path, items: Sequence[Item]) -> Iterator[list[Done]]:
        return _spread(pool, what, folder, items)

    try:
        yield together
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def crew_size(workers: int | None, items: int) -> int:
    """Return how many processes to use: as asked, else one per core this process may use and enough work."""
    if multiprocessing.current_process().daemon:  # such a process may not have children
        return 1
    if workers is not None:
        return workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, 32, items // WORTH_A_WORKER))


def _alone(what: Make, folder: Path, items: Sequence[Item]) -> Iterator[list[Done]]:
    for item in items:
        yield make_items(what, folder, [item])


def _pool(workers: int) -> ProcessPoolExecutor | None:
    """Return a pool, or None on systems that cannot make one (no semaphores, no shared memory)."""
    try:
        return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _settle_in)
    except (ImportError, NotImplementedError, OSError):
        return None


def _spread(pool: ProcessPoolExecutor, what: Make, folder: Path, items: Sequence[Item]) -> Iterator[list[Done]]:
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    futures: list[Future[list[Done]]] = []
    try:
        with _plain_start():
            futures += [pool.submit(make_items, what, folder, chunk) for chunk in chunks]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise VirbError(
            f"a worker died while it made the sample data set {what.name}",
            "worker processes that live until they are done",
            "free some memory, or use workers=1 to make it in this process",
        ) from error
    finally:  # the caller may remove the folder after this, so nobody may still write there
        for future in futures:
            future.cancel()
        wait(futures)


@contextmanager
def _plain_start() -> Iterator[None]:
    """Start processes that neither import the caller's main module nor hear Ctrl-C, which is the parent's to heed."""
    main = sys.modules["__main__"]
    masked = hasattr(signal, "pthread_sigmask")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masked else set()
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if masked:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _settle_in() -> None:
    """Make a new worker deaf to Ctrl-C, and make it leave when its parent is gone, however that ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
