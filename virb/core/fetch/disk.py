"""Fetch: what transfers and archives share: words for a full disk, space asked for before, bytes as megabytes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from virb.core.errors import OutputError
from virb.core.paths import explain_write_errors
from virb.core.progress import Advance

_MEGABYTE = 1_000_000


def explain_disk(path: Path) -> AbstractContextManager[None]:
    """Turn a full or read-only disk into a message that names the place and the way out of a download."""
    return explain_write_errors(
        path,
        "free some space or fix the folder's permissions and run the same command again, "
        "or choose another folder with --data",
    )


def need_space(folder: Path, wanted: int) -> None:
    """Refuse before the first byte what the disk cannot hold."""
    with explain_disk(folder):
        free = shutil.disk_usage(folder).free
    if wanted > free:
        raise OutputError(
            f"{folder} has {size_text(free)} free",
            f"{size_text(wanted)} of free space",
            "free some space and run the same command again, or choose another folder with --data",
        )


def size_text(count: int) -> str:
    """Return a number of bytes as a person says it."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def megabytes(count: int) -> int:
    """Return megabytes, the last one begun counted in: a small file is one, not none."""
    return -(-count // _MEGABYTE)


def by_megabyte(advance: Advance) -> Callable[[int], None]:
    """Return a function that is told bytes and passes on megabytes."""
    done = 0

    def told(count: int) -> None:
        nonlocal done
        before, done = done, done + count
        if step := megabytes(done) - megabytes(before):
            advance(step)

    return told
