"""Command line: the leaderboard, two encoders compared, and every number in long form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from virb.cli.options import Out
from virb.cli.printing import say
from virb.core.errors import UsageError, VirbError, did_you_mean
from virb.core.paths import user_path
from virb.core.text import clean, many

if TYPE_CHECKING:
    from virb.records.load import Results

Records = Annotated[
    list[str] | None,
    typer.Option(
        "--records",
        "-r",
        help="A results folder, or 'paper2021' for the paper's own numbers; may be given again. Default is --out.",
    ),
]


Page = Annotated[
    Path, typer.Option("--out", help="Results folder; with --format html also the file to write, ending in .html.")
]
_FORMS = ("table", "csv", "markdown", "json", "html")


def leaderboard(
    records: Records = None,
    out: Page = Path("results"),
    by: Annotated[
        str, typer.Option(help="quadrant, task or auto: quadrants where there are more than a few tasks.")
    ] = "auto",
    form: Annotated[str, typer.Option("--format", help="table, csv, markdown, json or html.")] = "table",
    add: Annotated[
        list[Path] | None, typer.Option("--add", help="Check a bundle and add its records to the results first.")
    ] = None,
) -> None:
    """Rank encoders on comparable records only; html is one file with table, plots and every encoder's records."""
    _refuse(form, _FORMS, "format")
    _refuse(by, ("auto", "quadrant", "task"), "view --by")
    folder, page = _page(out, form)
    for bundle in add or ():
        _add(bundle, folder)
    results = read(records, folder)
    from virb.leaderboard import boards, render

    if page is None:
        say(render(boards(results), form, by).rstrip("\n"))  # type: ignore[arg-type]
        if notes := _submitted(records, folder):  # below the board; beside it for scripts
            say("\n" + "\n".join(map(clean, notes)), err=form in ("csv", "json"))
        return
    from virb.core.paths import write_whole
    from virb.leaderboard.page import html

    write_whole(page, html(results, boards(results), _submitted(records, folder)))
    say(str(page))


def _submitted(records: list[str] | None, out: Path) -> list[str]:
    """Return what was found of the submitted records in the folders that are shown."""
    from virb.submit.merge import board_notes

    return [note for place in dict.fromkeys(records or [str(out)]) for note in board_notes(user_path(place))]


def _page(out: Path, form: str) -> tuple[Path, Path | None]:
    """Return the results folder and the file to write, if any: --out names either."""
    named = out.suffix.lower() in (".html", ".htm")
    if named and form != "html":
        raise UsageError(f"--out {out} is a page, but --format is {form}", "--format html", "add --format html")
    if form != "html":
        return out, None
    return (Path("results"), out) if named else (out, out / "leaderboard.html")


def _add(bundle: Path, out: Path) -> None:
    """Check a bundle, merge it, and say what came of it; a board is printed all the same."""
    from virb.submit.merge import merge
    from virb.submit.verify import verify

    verdict = verify(bundle)
    merged = merge(bundle, out, verdict)
    already = f", {merged.there} were there" if merged.there else ""
    say(f"{bundle}: {verdict.verdict}; {many(merged.added, 'record')} added to {out}{already}", err=True)
    for contradiction in merged.contradictions:
        say(f"note: {clean(contradiction)}", err=True)


def compare(
    first: Annotated[str, typer.Argument(help="An encoder's name, the start of its fingerprint, or a record's file.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    records: Records = None,
    out: Out = Path("results"),
    form: Annotated[str, typer.Option("--format", help="table, markdown or json.")] = "table",
) -> None:
    """Compare two encoders task by task: differences with intervals, and which of them are more than chance."""
    _refuse(form, ("table", "markdown", "json"), "format")
    results = read(records, out)
    from virb.leaderboard import as_json, boards, comparison_rows, render_comparison
    from virb.leaderboard import compare as compare_on

    found = compare_on(boards(results), first, second)
    if form == "json":
        say(as_json([row for comparison in found for row in comparison_rows(comparison)]))
    else:
        say("\n\n".join(render_comparison(comparison, form == "markdown") for comparison in found))


def export(
    records: Records = None,
    out: Out = Path("results"),
    form: Annotated[str, typer.Option("--format", help="csv or json.")] = "csv",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; default is to print.")] = None,
) -> None:
    """Write every record in long form, one row per encoder and task, for other programs."""
    _refuse(form, ("csv", "json"), "format")
    results = read(records, out)
    from virb.leaderboard import as_csv, as_json, record_rows

    text = as_csv(record_rows(results)) if form == "csv" else as_json(record_rows(results)) + "\n"
    if output is None:
        say(text, nl=False)
        return
    from virb.core.paths import write_whole

    write_whole(output, text)
    say(f"{len(results.records)} records and {len(results.references)} published encoders in {output}", err=True)


def read(records: list[str] | None, out: Path) -> Results:
    """Return the records of the given places, else of the results folder; what is left out is said."""
    from virb.records.load import load

    if not records and not out.is_dir():
        raise _nothing(out)
    results = load(records or [out])
    for problem in results.problems:
        say(f"warning: left out: {clean(problem)}", err=True)
    if not results.records and not results.references:
        raise _nothing(", ".join(records) if records else out)
    return results


def _nothing(place: Path | str) -> VirbError:
    return VirbError(
        f"there are no records in {place}",
        "records that 'virb evaluate' wrote, below a folder 'records'",
        "run 'virb evaluate' first, name another folder with --records, or try --records paper2021",
    )


def _refuse(given: str, known: tuple[str, ...], what: str) -> None:
    if given not in known:
        raise UsageError(f"there is no {what} '{given}'{did_you_mean(given, known)}", " or ".join(known), "choose one")
