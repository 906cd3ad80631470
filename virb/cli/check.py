"""Command line: does a card or an encoder of one's own keep the contract?"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from virb.cli.options import Json
from virb.cli.printing import say


def check(
    path: Annotated[str, typer.Argument(help="A card of a task, an encoder or a data set, or file.py:Name.")],
    json_output: Json = False,
) -> None:
    """Tell whether a card, or an encoder in a python file, keeps the contract, line by line."""
    from virb.checks.contract import check_path

    found = check_path(path)
    if json_output:
        rows = [{"check": one.name, "ok": one.holds, "problem": one.problem, "remedy": one.remedy} for one in found]
        say(json.dumps(rows, indent=1))
    else:
        for one in found:
            say(f"ok      {one.name}" if one.holds else f"FAILED  {one.name}: {one.problem}; {one.remedy}")
    failed = sum(not one.holds for one in found)
    if failed:
        say(f"\n{failed} of {len(found)} checks failed", err=True)
        raise typer.Exit(1)
