"""Files: only regular ones are read; one who reads a pipe or a device in the place of a file may wait without end."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO

_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""How files are opened: a pipe that nobody writes to must not keep us until it is known to be one."""


def open_file(path: Path | str) -> BinaryIO:
    """Open a regular file to read its bytes; for anything else an OSError says what it is."""
    number = os.open(path, os.O_RDONLY | _AT_ONCE)
    try:
        mode = os.fstat(number).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))
        return open(number, "rb")
    except BaseException:
        os.close(number)
        raise


def read_bytes(path: Path | str, most: int | None = None) -> bytes:
    """Return all that a regular file holds, unless it is larger than any honest one of its kind."""
    with open_file(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if most is not None and size > most:
            raise OSError(errno.EFBIG, f"it is of {size:,} bytes, where {most:,} are the most", str(path))
        return stream.read()


def sha256_of(path: Path | str) -> str:
    """Return a regular file's hash, read in blocks."""
    with open_file(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]


def read_text(path: Path | str, encoding: str = "utf-8") -> str:
    """Return the text of a regular file."""
    return read_bytes(path).decode(encoding)
