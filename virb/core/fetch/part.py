"""Fetch: the unfinished file, which belongs to one process at a time and knows which version of the file it is of."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from virb.core.errors import DataError
from virb.core.fetch.disk import explain_disk
from virb.core.fetch.web import plain
from virb.core.files import read_bytes
from virb.core.paths import not_followed, write_whole

if sys.platform != "win32":
    import fcntl


class PartFile:
    """The unfinished file, and beside it what tells whether the server still has the same one."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self.stream, self.path, self.facts = stream, path, path.with_name(path.name + ".json")

    @property
    def size(self) -> int:
        """How much is there."""
        return self.stream.seek(0, os.SEEK_END)

    @property
    def validator(self) -> str:
        """What the server called this version of the file, or nothing."""
        try:
            return plain(str(json.loads(read_bytes(self.facts))["validator"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return ""

    def begin(self, validator: str) -> None:
        """Start over, with what the server calls the file now."""
        with explain_disk(self.path):
            self.stream.seek(0)
            self.stream.truncate()
            write_whole(self.facts, json.dumps({"validator": validator}) + "\n")

    def write(self, block: bytes) -> None:
        """Add what came, for good: a run that is killed has it."""
        with explain_disk(self.path):
            self.stream.write(block)
            self.stream.flush()

    def remove(self) -> None:
        """Take away both files; on systems that hold open files, empty the one that is open."""
        with suppress(OSError):
            self.stream.truncate(0)
        for path in (self.path, self.facts):
            with suppress(OSError):
                path.unlink()


@contextmanager
def claimed(path: Path) -> Iterator[PartFile]:
    """Open the unfinished file for this process alone: two writers would weave one wrong file."""
    while True:
        with ExitStack() as stack:
            with explain_disk(path):
                stream = stack.enter_context(open(path, "ab", opener=not_followed))
            _lock(stream, path)
            try:
                same = os.path.samestat(os.fstat(stream.fileno()), path.stat())
            except FileNotFoundError:
                same = False
            if same:
                yield from _kept_unless_empty(PartFile(stream, path))
                return


def _kept_unless_empty(part: PartFile) -> Iterator[PartFile]:
    try:
        yield part
    except BaseException:
        if not part.size:
            part.remove()
        raise


def _lock(stream: IO[bytes], path: Path) -> None:
    if sys.platform != "win32":
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(
                f"another process is fetching {path.name.removesuffix('.part')} into {path.parent}",
                "one at a time",
                "wait until it is done; this command then takes the file as it is",
            ) from None
        except OSError:  # some network disks know no locks
            return


def finish(part: PartFile, place: Path) -> None:
    """Give a finished file its name, and forget what was noted about it."""
    with explain_disk(place):
        if sys.platform == "win32":  # an open file cannot be renamed there; elsewhere the lock is kept until it is
            part.stream.close()
        os.replace(part.path, place)
        part.facts.unlink(missing_ok=True)
