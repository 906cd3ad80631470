"""Bench: what a board of many encoders costs: the leaderboard as a table, and the page."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from virb.checks.bench.records import many


def compare(encoders: int, tasks: int, rounds: int) -> None:
    """Print the seconds of CPU, of the whole process, for a table and for a page of so many made-up records."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        many(out, encoders, tasks)
        size = sum(path.stat().st_size for path in out.rglob("*.*")) / 1e6
        print(f"{encoders} encoders x {tasks} tasks: {encoders * tasks:,} records with their samples, {size:.0f} MB\n")
        page = out / "board.html"
        lines = {"table": [], "page": ["--format", "html", "--out", str(page)]}
        for name, line in lines.items():
            best = min(seconds(["leaderboard", "--records", str(out), *line]) for _ in range(rounds))
            large = f", {page.stat().st_size / 1e6:.1f} MB" if name == "page" else ""
            print(f"{name:6s} {best:5.1f} s of CPU, best of {rounds}{large}")


def seconds(arguments: Sequence[str]) -> float:
    """Return what a command takes of CPU, Python's own start included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "virb", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
