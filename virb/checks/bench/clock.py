"""Bench: how long work takes."""

from __future__ import annotations

import time
from collections.abc import Callable


def cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds of this process that work takes."""
    return _by(time.process_time, work)


def wall(work: Callable[[], object]) -> float:
    """Return the seconds that pass while work runs."""
    return _by(time.perf_counter, work)


def _by(clock: Callable[[], float], work: Callable[[], object]) -> float:
    started = clock()
    work()
    return clock() - started
