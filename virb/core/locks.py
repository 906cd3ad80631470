"""Locks: what several processes want is made by one of them; the others wait and then use it.

The system drops a lock when its process ends, however that ended, so nothing is ever stale. A folder that knows no
locks (read-only, some network disks) costs work done twice, never a broken file: every write is whole without them.
"""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from virb.core import stopping
from virb.core.digest import digest
from virb.core.paths import cache_folder, not_followed
from virb.core.text import shown
from virb.core.trust import make_private

log = logging.getLogger(__name__)

_POLL = 0.1
_LONGEST, _SHOWN = 300, 64
"""Bytes that are read of who holds a lock, and columns of its host's name."""
Say = Callable[[str], None]


def lock_path(*names: str, cache: Path | None = None) -> Path:
    """Return the lock file of something, in the cache: results and data folders stay free of them."""
    return (cache or cache_folder()) / "locks" / f"{digest(list(names))}.lock"


@contextmanager
def held(path: Path, what: str, say: Say | None = None, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock inside the block; yield whether it is ours, which only `wait=False` leaves open.

    `what` ends the sentence "waiting for process 123, which ...".
    """
    lock = _open(path)
    mine = _taken(lock, path)
    if not mine and wait:
        (say or log.warning)(f"waiting for {_holder(path)}, which {what}")
        while not (mine := _taken(lock, path)):
            stopping.check()
            time.sleep(_POLL)
    try:
        yield mine
    finally:
        if lock.is_locked:
            with suppress(OSError):
                _note(path).unlink(missing_ok=True)
            lock.release()


def free(path: Path) -> bool:
    """Tell whether nobody holds a lock, which it is not worth to make a file for."""
    lock = _open(path)
    try:
        with lock.acquire(blocking=False):
            return True
    except Timeout:
        return False
    except OSError:
        return True


def remove_free(path: Path) -> None:
    """Remove the file of a lock that nobody holds; a process that opens it just then finds it gone and asks again."""
    with suppress(OSError, Timeout), _open(path).acquire(blocking=False):
        path.unlink()


def _open(path: Path) -> BaseFileLock:
    # Without the library's own stand-in for missing locks, a file that a killed process would leave for ever.
    return FileLock(path, thread_local=False, fallback_to_soft=False)


def _taken(lock: BaseFileLock, path: Path) -> bool:
    """Try to take a lock; where there are none to be had, go on as if it were ours."""
    try:
        make_private(path.parent.parent)
        make_private(path.parent)
        lock.acquire(blocking=False)
    except Timeout:
        return False
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        log.warning("no locks in %s (%s): processes that run at once may do the same work", path.parent, reason)
        return True
    with suppress(OSError):
        _sign(_note(path))
    return True


def _note(path: Path) -> Path:
    return path.with_suffix(".holder")


def _sign(note: Path) -> None:
    """Say who we are in a new file: what lies under this name may be a link to another."""
    note.unlink(missing_ok=True)
    with open(note, "x") as stream:
        stream.write(f"{os.getpid()} {platform.node()}")


def _holder(path: Path) -> str:
    """Return who holds a lock, as far as it has said; others may have written anything there."""
    try:
        with open(_note(path), "rb", opener=not_followed) as stream:
            pid, _, host = stream.read(_LONGEST).decode().partition(" ")
    except (OSError, ValueError, TypeError):  # a pipe that nobody writes to gives nothing at all
        return "another process"
    if not (pid.isascii() and pid.isdigit()):
        return "another process"
    return f"process {pid}" + ("" if host == platform.node() else f" on {shown(host, _SHOWN)}")
