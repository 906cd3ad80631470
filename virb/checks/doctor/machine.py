"""Doctor: the machine: libraries, memory, disk, threads, device."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
from pathlib import Path

from virb import __version__
from virb.checks.doctor.check import Diagnosis, gib, note, stop, well

_GIB = 1 << 30
_LEAST_MEMORY, _GOOD_MEMORY = 1 * _GIB, 4 * _GIB
_LEAST_DISK, _GOOD_DISK = 256 << 20, 5 * _GIB
_GOOD_SHARED = 512 << 20
_BUSY = 0.5
"""The share of the cores that others may take before it is worth a word."""
_GROUP = Path("/sys/fs/cgroup")
"""Where Linux keeps the limits of a container."""
_SHOWN = ("torch", "torchvision", "timm", "numpy")


def versions() -> Diagnosis:
    """Look for every library that virb requires, in the version that it requires."""
    have = {name: _version(name) for name in _SHOWN}
    text = f"virb {__version__}, Python {platform.python_version()}, " + ", ".join(f"{n} {v}" for n, v in have.items())
    missing = [want for want in _required() if not _satisfied(want)]
    if missing:
        return stop("versions", f"{text}; not as required: {', '.join(missing)}", "pip install --upgrade virb")
    return well("versions", text)


def _required() -> list[str]:
    """Return what virb requires, without what only its extras do; nothing where it runs from an unpacked folder."""
    try:
        every = importlib.metadata.requires("virb") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [line.partition(";")[0].strip() for line in every if "extra ==" not in line]


def _satisfied(requirement: str) -> bool:
    name, _, least = requirement.partition(">=")
    found = _version(name.strip())
    return found != "missing" and _numbers(found) >= _numbers(least)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3]]


def memory() -> Diagnosis:
    """Look at the memory that is free, a container's limit included."""
    free = free_memory()
    if free is None:
        return well("memory", "this system does not tell")
    text = f"{gib(free)} free"
    if free < _LEAST_MEMORY:
        return stop("memory", text, "close other programs; a run takes 1 GiB at least")
    if free < _GOOD_MEMORY:
        return note("memory", text, "pixel-wise tasks at 224 pixels may want more: use --limit, or --protocol quick")
    return well("memory", text)


def free_memory() -> int | None:
    """Return the bytes that may still be taken, if this system tells."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")]
        limit = (_GROUP / "memory.max").read_text().strip()
        if limit.isdigit():
            found.append(int(limit) - int((_GROUP / "memory.current").read_text()))
    except (OSError, ValueError):
        pass
    if not found and hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return max(0, min(found)) if found else None


def shared_memory() -> Diagnosis:
    """Look at what processes that read pictures hand them over in; containers have little of it."""
    place = Path("/dev/shm")
    if not place.is_dir():
        return well("shared memory", "as this system has it")
    free = shutil.disk_usage(place).free
    if free < _GOOD_SHARED:
        return note("shared memory", f"{gib(free)} free in {place}", "docker run --shm-size=2g, or --workers 0")
    return well("shared memory", f"{gib(free)} free")


def disk(cache: Path, out: Path) -> Diagnosis:
    """Look at the space where features and results go."""
    places = {place: shutil.disk_usage(_existing(place)).free for place in (cache, out)}
    text = ", ".join(f"{gib(free)} free for {place}" for place, free in places.items())
    if min(places.values()) < _LEAST_DISK:
        return stop("disk", text, "free some space, or choose other folders ($VIRB_CACHE, --out)")
    if places[cache] < _GOOD_DISK:
        return note("disk", text, "maps of pixel-wise tasks take gigabytes: bound them with --cache-size GIB")
    return well("disk", text)


def _existing(place: Path) -> Path:
    place = place.absolute()
    return place if place.exists() else _existing(place.parent)


def threads() -> Diagnosis:
    """Look at the cores that this process may use and how many threads it would start."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = _share()
    asked = os.environ.get("OMP_NUM_THREADS", "")
    text = f"{cores} cores" + (f", of which this container may use {share:g}" if share else "")
    text += f", OMP_NUM_THREADS={asked}" if asked else ""
    if asked and not asked.isdigit():
        return note("threads", text, "set OMP_NUM_THREADS to a number, or leave it out")
    most = share or cores
    if (int(asked) if asked else cores) > max(1, most):
        return note("threads", text, f"export OMP_NUM_THREADS={max(1, int(most))}: more threads than cores are slower")
    load = _load()
    text += "" if load is None else f", load {load:.1f}"
    spare = max(1, int(most - (load or 0)))
    if (load or 0) >= _BUSY * cores and (int(asked) if asked else cores) > spare:
        return note("threads", text, f"others use this machine: wait for them, or export OMP_NUM_THREADS={spare}")
    return well("threads", text)


def _load() -> float | None:
    """Return how many processes ran or wanted to, on average over the last minute, if this system tells."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def _share() -> float | None:
    """Return how many cores a container is granted, if it is bound."""
    try:
        quota, period = (_GROUP / "cpu.max").read_text().split()
        return round(int(quota) / int(period), 2)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def device() -> Diagnosis:
    """Look for a GPU that torch can use."""
    import torch

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        name, text = torch.cuda.get_device_name(), f"{gib(free)} of {gib(total)} free"
        if free < _LEAST_MEMORY:
            return note("device", f"cuda: {name}, {text}", "end what else runs on it, or use --device cpu")
        return well("device", f"cuda: {name}, {text}; {torch.cuda.device_count()} in all")
    if shutil.which("nvidia-smi"):
        built = torch.version.cuda or "no CUDA at all"
        return note("device", f"cpu: there is a GPU, but torch (for {built}) sees none", "install the torch that fits")
    return well("device", f"cpu, {torch.get_num_threads()} threads; torch sees no GPU")
