"""Stopping: Ctrl-C and SIGTERM end a run in order, and no such wish is lost.

Python raises at once wherever it is, and what is raised in a callback (at a fork, in a destructor) is printed and
forgotten. So the wish is also remembered, and every step of a run asks for it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_HEEDED = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_heard: list[int] = []


class Stopped(KeyboardInterrupt):
    """The user, or the system, wants this to end."""


def exit_code() -> int:
    """Return 128 and the signal's number, as shells say it: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + (_heard[0] if _heard else signal.SIGINT)


def check() -> None:
    """Raise if the wish to stop was heard, be it that it got lost on its way."""
    if _heard:
        raise Stopped


@contextmanager
def heeded() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C inside the block, and remember both; in the main thread only, as Python wants it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _heard.clear()
    # What is ignored, as SIGHUP under nohup, stays ignored.
    before = {number: signal.getsignal(number) for number in _HEEDED}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _hear)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _hear(number: int, frame: FrameType | None) -> None:
    _heard.append(number)
    raise Stopped


@contextmanager
def deferred() -> Iterator[None]:
    """Put a wish to stop off to the end of the block: inside, raising would harm or be swallowed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    before = {number: signal.getsignal(number) for number in _HEEDED}
    before = {number: handler for number, handler in before.items() if callable(handler)}
    for number in before:
        signal.signal(number, lambda heard, frame: waiting.append(heard))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if waiting:
            signal.raise_signal(waiting[0])


def settle_worker(number: int) -> None:
    """Make a forked worker deaf to Ctrl-C, which is its parent's to heed, and mortal again by SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
