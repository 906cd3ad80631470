"""Command line: the leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from virb.cli.options import Out
from virb.errors import UsageError, VirbError


def leaderboard(
    out: Out = Path("results"),
    form: Annotated[str, typer.Option("--format", help="table, csv, markdown or json.")] = "table",
    add: Annotated[
        list[Path] | None, typer.Option("--add", help="Check a bundle and add its records to the results first.")
    ] = None,
) -> None:
    """Rank encoders on comparable records only."""
    from virb.record import read_all

    if form not in ("table", "csv", "markdown", "json"):
        raise UsageError(f"there is no format '{form}'", "table, csv, markdown or json", "choose one")
    for bundle in add or ():
        _add(bundle, out)
    records, problems = read_all(out)
    for problem in problems:
        typer.echo(f"warning: left out: {problem}", err=True)
    if not records:
        raise VirbError(
            f"there are no records in {out}/records",
            "records that 'virb evaluate' wrote",
            "run 'virb evaluate' first, or name another folder with --out",
        )
    from virb.leaderboard import boards, render

    typer.echo(render(boards(records), form).rstrip("\n"))


def _add(bundle: Path, out: Path) -> None:
    """Check a bundle, merge it, and say what came of it; a board is printed all the same."""
    from virb.submit.merge import merge
    from virb.submit.verify import verify

    verdict = verify(bundle)
    merged = merge(bundle, out, verdict)
    already = f", {merged.there} were there" if merged.there else ""
    typer.echo(f"{bundle}: {verdict.verdict}; {merged.added} records added to {out}{already}", err=True)
