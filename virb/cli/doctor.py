"""Command line: doctor, which looks at the machine before a run does."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import typer

from virb.cli.options import Data, Json, Out
from virb.cli.printing import say


def doctor(data: Data = None, out: Out = Path("results"), json_output: Json = False) -> None:
    """Look at versions, device, memory, disk, threads, data, cache and permissions; say what to do about each."""
    from virb.checks.doctor import examine
    from virb.core.paths import cache_folder

    found = []
    for check in examine(data, out.expanduser(), cache_folder()):
        found.append(check)
        if not json_output:
            remedy = f" -> {check.remedy}" if check.remedy else ""
            say(f"{check.state:4}  {check.name + ':':15} {check.text}{remedy}")
    if json_output:
        say(json.dumps([asdict(check) for check in found], indent=1))
    if any(check.state == "stop" for check in found):
        raise typer.Exit(1)
