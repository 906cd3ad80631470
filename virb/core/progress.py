"""Progress: bars on a terminal, a line now and then elsewhere, nothing in a library call."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol

from virb.core.text import brief, shown

Advance = Callable[[int], None]
_EVERY = 10.0
"""Seconds between plain lines of one stage."""
_NAME = 60
"""Columns of a stage's name beside its bar."""


class Progress(Protocol):
    """Where a run says what it is doing."""

    def stage(self, name: str, total: int, unit: str) -> AbstractContextManager[Advance]:
        """Open a stage of `total` units; call what it yields with the units that were done."""

    def say(self, text: str) -> None:
        """Say one line."""


class Silent:
    """Says nothing: the default of the Python API."""

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator[Advance]:
        """Count nothing."""
        yield lambda count: None

    def say(self, text: str) -> None:
        """Say nothing."""


class Lines:
    """Plain lines with rate and remaining time, for logs and pipes."""

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator[Advance]:
        """Print a line at the end of a stage, and every few seconds within a long one."""
        started = spoken = time.monotonic()
        done = 0

        def advance(count: int) -> None:
            nonlocal done, spoken
            done += count
            now = time.monotonic()
            if now - spoken >= _EVERY and done < total:
                spoken = now
                self.say(f"{name}: {done:,}/{total:,} {unit}, {_pace(done, total, now - started, unit)}")

        yield advance
        seconds = time.monotonic() - started
        self.say(f"{name}: {done:,} {unit} in {seconds:.1f} s")

    def say(self, text: str) -> None:
        """Print to the error stream: results alone go to standard output."""
        print(brief(text), file=sys.stderr, flush=True)


class Bars:
    """One live bar per stage on a terminal."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True)

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator[Advance]:
        """Show a bar with rate and remaining time."""
        from rich import progress

        columns = (
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=24),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[rate]}", markup=False),
            progress.TimeRemainingColumn(elapsed_when_finished=True),
        )
        with progress.Progress(*columns, console=self.console) as bars:
            bar = bars.add_task(shown(name, _NAME), total=total, rate="")
            started = time.monotonic()
            done = 0

            def advance(count: int) -> None:
                nonlocal done
                done += count
                rate = done / max(time.monotonic() - started, 1e-9)
                bars.update(bar, advance=count, rate=f"{rate:,.0f} {unit}/s")

            yield advance

    def say(self, text: str) -> None:
        """Print above the bars."""
        self.console.print(brief(text), markup=False, highlight=False)


class Relay:
    """Turns calls of (name, done, total) into stages: one is open at a time."""

    def __init__(self, progress: Progress, title: str, unit: str) -> None:
        self.progress, self.title, self.unit = progress, title, unit
        self.name, self.done = "", 0
        self.stack = ExitStack()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *raised: object) -> None:
        self.stack.close()

    def __call__(self, name: str, done: int, total: int) -> None:
        """Pass on how far a name has come."""
        if name != self.name:
            self.stack.close()
            stage = self.progress.stage(self.title.format(name), total, self.unit)
            self.name, self.done, self.advance = name, 0, self.stack.enter_context(stage)
        self.advance(done - self.done)
        self.done = done


def choose() -> Progress:
    """Return bars on a terminal and plain lines elsewhere."""
    streams = (sys.stderr, sys.stdout)  # each is None where it was closed
    return Bars() if all(one is not None and one.isatty() for one in streams) else Lines()


def _pace(done: int, total: int, seconds: float, unit: str) -> str:
    rate = done / max(seconds, 1e-9)
    return f"{rate:,.0f} {unit}/s, {duration((total - done) / max(rate, 1e-9))} left"


def duration(seconds: float) -> str:
    """Return a span of time as a person says it: 41 s, 3 min 20 s, 5 h 2 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
