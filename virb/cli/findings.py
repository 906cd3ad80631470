"""Command line: the paper's questions, asked of the records at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from virb.cli.plot import Chosen, From, Records, Rules, comparable_scores
from virb.cli.printing import say
from virb.core.errors import UsageError


def findings(
    records: Records = None,
    form: Annotated[str, typer.Option("--format", help="markdown or json.")] = "markdown",
    out: Annotated[
        Path | None, typer.Option(help="A folder for the text and a picture of each answer; default: print the text.")
    ] = None,
    methods: Annotated[
        str | None, typer.Option(help="Two methods to compare, such as mocov2,swav; default: those with most pairs.")
    ] = None,
    reference: Annotated[str, typer.Option(help="The task that may foretell the others.")] = "imagenet",
    tasks: Chosen = None,
    protocol: Rules = None,
    source: From = None,
) -> None:
    """Answer the six questions of the 2021 paper: effect, interval, test, and 'cannot tell' where it cannot."""
    if form not in ("markdown", "json"):
        raise UsageError(f"there is no format '{form}'", "markdown or json", "choose one")
    two = _two(methods)
    scores = comparable_scores(records, protocol, source, tasks)
    from virb.analysis.findings import as_json, as_markdown, findings

    found = findings(scores, two, reference)
    if out is None:
        say((as_json(scores, found) if form == "json" else as_markdown(scores, found)).rstrip("\n"))
        return
    from virb.analysis.plots import forest, violins
    from virb.analysis.plots.style import FORMATS, save
    from virb.core.paths import write_whole

    pictures: dict[str, list[str]] = {}
    for finding in found:
        for end, figure in (("", forest.draw(scores, finding)), ("_spread", violins.draw(scores, finding))):
            if figure is None:
                continue
            pictures.setdefault(finding.key, []).append(f"{finding.key}{end}.svg")
            for ending in FORMATS:
                save(figure, out / f"{finding.key}{end}.{ending}")
    place = out / ("findings.json" if form == "json" else "findings.md")
    write_whole(place, as_json(scores, found) if form == "json" else as_markdown(scores, found, pictures))
    say(str(place))


def _two(methods: str | None) -> tuple[str, str] | None:
    if methods is None:
        return None
    names = [name.strip() for name in methods.split(",")]
    if len(names) != 2 or not all(names):
        raise UsageError(f"--methods {methods}", "two methods with a comma between, such as mocov2,swav", "name two")
    return names[0], names[1]
