"""Writes that fail: every call by which this process changes a disk is counted, and one of them goes wrong.

All of virb's writes go through these functions of the library, whatever module they stand in. A write that is to fail
writes half of its bytes first.
"""

from __future__ import annotations

import builtins
import ctypes
import errno
import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

KINDS = ("full", "stop", "kill")
_CALLS = ("replace", "rename", "mkdir", "fsync", "utime", "unlink", "rmdir")


class Writes:
    """Counts writes; the `at`-th finds the disk full, or hears Ctrl-C, or is killed."""

    def __init__(self, at: int = 0, kind: str = "full") -> None:
        self.at, self.kind, self.count = at, kind, 0
        self.hit = ""

    def point(self, name: str) -> bool:
        """Count one write; tell whether it is the one."""
        self.count += 1
        if self.count == self.at:
            self.hit = name
        return self.count == self.at

    def fail(self) -> None:
        """Go wrong."""
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "stop":
            raise KeyboardInterrupt
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def around(self, work: Callable[[], object]) -> None:
        """Do something while writes are counted."""
        with self.counted():
            work()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count inside the block."""
        with mock.patch.multiple(os, **{name: self._before(getattr(os, name), name) for name in _CALLS}):
            opened, low, write = io.open, os.open, os.write
            with (
                mock.patch.object(io, "open", self._opening(opened)),
                mock.patch.object(builtins, "open", self._opening(opened)),
                mock.patch.object(os, "open", self._opening_low(low)),
                mock.patch.object(os, "write", self._writing_low(write)),
            ):
                yield

    def _before(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            # What tidies up never lacks space; stopped there, it is done by the next process.
            if self.point(name) and (self.kind == "kill" or name not in ("unlink", "rmdir", "utime")):
                self.fail()
            return call(*given, **named)

        return counted

    def _opening(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(file: Any, mode: str = "r", *given: Any, **named: Any) -> Any:
            if not set(mode) & set("wax+") or isinstance(file, int):
                return call(file, mode, *given, **named)
            if self.point(f"open {file}"):
                self.fail()
            return _Torn(call(file, mode, *given, **named), self)

        return counted

    def _opening_low(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(path: Any, flags: int, *given: Any, **named: Any) -> Any:
            if flags & (os.O_WRONLY | os.O_RDWR) and self.point(f"open {path}"):
                self.fail()
            return call(path, flags, *given, **named)

        return counted

    def _writing_low(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(file: int, data: bytes) -> Any:
            if self.point("write"):
                call(file, data[: len(data) // 2])
                self.fail()
            return call(file, data)

        return counted


class _Head(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Capabilities(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def not_as_root() -> Iterator[None]:
    """Let root heed permissions inside the block, as everybody else does: Linux takes this power away and back."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    head, now = _Head(0x20080522, 0), (_Capabilities * 2)()
    assert libc.capget(ctypes.byref(head), now) == 0
    before = now[0].effective
    now[0].effective = before & ~0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    assert libc.capset(ctypes.byref(head), now) == 0
    try:
        yield
    finally:
        now[0].effective = before
        assert libc.capset(ctypes.byref(head), now) == 0


class _Torn:
    """A file whose writes are counted too."""

    def __init__(self, file: Any, writes: Writes) -> None:
        self.file, self.writes = file, writes

    def __enter__(self) -> _Torn:
        return self

    def __exit__(self, *raised: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, data: Any) -> Any:
        if self.writes.point(f"write to {self.file.name}"):
            content = data if isinstance(data, str) else bytes(data)
            self.file.write(content[: len(content) // 2])
            self.file.flush()
            self.writes.fail()
        return self.file.write(data)
