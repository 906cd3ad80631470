"""Doctor: what a run would meet on this machine, one line each, with the remedy for what is not well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from virb.checks.doctor.check import Diagnosis, note
from virb.checks.doctor.machine import device, disk, memory, shared_memory, threads, versions
from virb.checks.doctor.places import cache_health, cache_place, data_health, records_health, writable

__all__ = ["Diagnosis", "examine"]


def examine(data: Path | None, out: Path, cache: Path) -> Iterator[Diagnosis]:
    """Yield every check in turn, the slowest last; one that fails itself says so and the others go on."""
    checks: dict[str, Callable[[], Diagnosis]] = {
        "versions": versions,
        "cache folder": lambda: cache_place(cache),
        "results folder": lambda: writable("results folder", out, "choose another folder with --out"),
        "disk": lambda: disk(cache, out),
        "memory": memory,
        "shared memory": shared_memory,
        "threads": threads,
        "cache": lambda: cache_health(cache),
        "records": lambda: records_health(out),
        "data": lambda: data_health(data),
        "device": device,
    }
    for name, check in checks.items():
        try:
            yield check()
        except Exception as error:  # a strange machine is what a doctor is for
            yield note(name, f"could not be looked at: {type(error).__name__}: {error}", "please report this")
