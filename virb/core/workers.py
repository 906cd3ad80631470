"""Workers: one function over many chunks of work, in this process or in several.

Workers are spawned, never forked: a fork copies the locks of whatever threads torch has running. They are told
nothing of the caller's main module, which may be a pipe, a notebook or a script that would start training again.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from virb.core import stopping
from virb.core.errors import VirbError

if TYPE_CHECKING:
    import numpy as np
    import torch

log = logging.getLogger(__name__)

_ROOM = "make room in /dev/shm (docker run --shm-size=2g), or use --workers 0"
Chunk = TypeVar("Chunk")
Result = TypeVar("Result")


def spread(work: Callable[[Chunk], Result], chunks: Sequence[Chunk], workers: int) -> Iterator[Result]:
    """Yield what `work`, a function of a module, makes of each chunk, in any order; 0 or 1 workers work here."""
    with crew(min(workers, len(chunks))) as pool:
        yield from spread_over(pool, work, chunks)


@contextmanager
def crew(workers: int) -> Iterator[ProcessPoolExecutor | None]:
    """Yield so many processes, of which none outlives the block, or None where one is enough or none can be had."""
    pool = _pool(workers) if workers > 1 else None
    try:
        yield pool
    finally:
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)


def spread_over(
    pool: ProcessPoolExecutor | None, work: Callable[[Chunk], Result], chunks: Sequence[Chunk]
) -> Iterator[Result]:
    """Do the same over processes that are there already."""
    if pool is None:
        yield from map(work, chunks)
        return
    futures: list[Future[Result]] = []
    try:
        with _plain_start():
            futures += [pool.submit(work, chunk) for chunk in chunks]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise VirbError(
            "a worker process died",
            "worker processes that live until they are done",
            "free some memory, or use --workers 0 to work in this process",
        ) from error
    finally:  # the caller may remove the folder after this, so nobody may still write there
        for future in futures:
            future.cancel()
        wait(futures)


def batches(loader: Iterable[Result]) -> Iterator[Result]:
    """Yield what a DataLoader yields; while it forks its workers, a Ctrl-C would be printed and forgotten.

    Where processes have no means to talk to each other, as in a full /dev/shm, this one does their work.
    """
    if getattr(loader, "num_workers", 0) and (reason := _mute()):
        log.warning("no processes that read (%s): this one reads by itself, which is slower; %s", reason, _ROOM)
        cast(Any, loader).num_workers = 0
    with stopping.deferred():
        running = iter(loader)
    for batch in running:
        yield _unpacked(batch) if isinstance(batch, Piped) else batch


@dataclass(frozen=True)
class Piped:
    """A batch that goes from a worker to its parent through a pipe: arrays do, tensors would want shared memory."""

    array: np.ndarray


def handed_over(batch: torch.Tensor) -> torch.Tensor | Piped:
    """Return a worker's batch in shared memory or, where that is full, as one that goes through a pipe.

    Left to itself, torch shares in a thread whose errors nobody hears: the parent would wait for ever.
    """
    from torch.utils.data import get_worker_info

    if get_worker_info() is None:  # nobody to hand it over to
        return batch
    try:
        batch.share_memory_()  # type: ignore[no-untyped-call]
    except RuntimeError:
        return Piped(batch.numpy())
    return batch


def _unpacked(batch: Piped) -> Any:
    """Return a batch as its worker made it."""
    import torch

    log.warning("shared memory is full: what processes read goes through pipes, which is slower; %s", _ROOM)
    return torch.from_numpy(batch.array)


def _mute() -> str:
    """Return why no process could be talked to, if so: their locks lie in shared memory too."""
    try:
        multiprocessing.Lock()
    except OSError as error:
        return f"shared memory: {error.strerror or error}"
    return ""


def worker_count(asked: int | None) -> int:
    """Return how many processes to use: as asked, else one per core that this process may use."""
    if multiprocessing.current_process().daemon:  # such a process may not have children
        return 0
    if asked is not None:
        return asked
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 32)


def _pool(workers: int) -> ProcessPoolExecutor | None:
    """Return a pool, or None on systems that cannot make one (no semaphores, no shared memory)."""
    try:
        return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _settle_in)
    except (ImportError, NotImplementedError, OSError):
        return None


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
