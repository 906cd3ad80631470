"""What reading takes: a process bounds its own memory, and measures the time and the peak of one piece of work."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Made = TypeVar("Made")


def memory(field: str) -> int:
    """Return what Linux tells of this process's memory, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{field}:"))


def bound(spare: int) -> None:
    """Let this process take so many bytes of address space more than it has."""
    resource.setrlimit(resource.RLIMIT_AS, (memory("VmSize") + spare,) * 2)


def measured(work: Callable[[], Made], longest: int) -> tuple[Made, float, int]:
    """Return what work returns, seconds of the processor and the peak of memory.

    After the longest seconds the process ends itself.
    """
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    started = time.process_time()
    signal.alarm(longest)
    made = work()
    signal.alarm(0)
    return made, time.process_time() - started, memory("VmHWM")
