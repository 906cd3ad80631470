"""Command line: figures of comparable scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from virb.cli.board import read
from virb.cli.printing import say
from virb.core.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from virb.leaderboard import Board

plot_app = typer.Typer(
    help="Figures at the width of a page: correlations, tasks, profile, ranks, curves.", no_args_is_help=True
)
Records = Annotated[
    list[str] | None,
    typer.Option(
        "--records",
        "-r",
        help="A results folder, or 'paper2021' for the paper's own numbers; may be given again. Default is results.",
    ),
]
Place = Annotated[Path, typer.Option("--out", help="A file ending in .png or .svg, or a folder for both.")]
Rules = Annotated[str | None, typer.Option("--protocol", help="Where records of several protocols lie: which.")]
From = Annotated[str | None, typer.Option("--source", help="Where several kinds lie: real, sample or published.")]
Chosen = Annotated[str | None, typer.Option("--tasks", help="Task names or groups, separated by commas.")]
Named = Annotated[list[str] | None, typer.Option("--encoder", "-e", help="An encoder by name; may be given again.")]
_PLOTS = Path("results/plots")
_BEST = 5
"""Encoders that are drawn where none is named."""


def comparable_scores(
    records: list[str] | None, protocol: str | None, source: str | None, tasks: str | None, also: str = ""
) -> Board:
    """Return the scores that a command is about; what had to be left out is named on the way."""
    from virb.analysis.gather import gather
    from virb.analysis.scores import choose_tasks

    if source is not None and source not in ("real", "sample", "published"):
        raise UsageError(f"--source {source}", "real, sample or published", "choose one, or leave --source out")
    scores = gather(read(records, Path("results")), protocol, source)  # type: ignore[arg-type]
    for reason in scores.left_out:
        say(f"warning: left out: {reason}", err=True)
    return choose_tasks(scores, tasks, also)


def write(figure: Figure, out: Path, name: str) -> Path:
    """Write a figure where --out says, name the files, and return the place of a table beside them."""
    from virb.analysis.plots.style import save, targets

    folder, files = targets(out, name)
    for path in files:
        save(figure, path)
        say(str(path))
    return files[0].with_suffix(".csv") if len(files) == 1 else folder / f"{name}.csv"


@plot_app.command()
def correlations(
    records: Records = None,
    out: Place = _PLOTS,
    reference: Annotated[str, typer.Option(help="The task on the x axis.")] = "imagenet",
    above: Annotated[float | None, typer.Option(help="Only encoders whose reference score is above this.")] = None,
    tasks: Chosen = None,
    protocol: Rules = None,
    source: From = None,
) -> None:
    """Task scores against ImageNet's: a panel per quadrant, a line with its band per task; coefficients as csv."""
    from virb.analysis.correlation import against, table
    from virb.analysis.plots import correlations as figure
    from virb.analysis.plots.style import targets

    targets(out, "correlations")  # a wrong ending is told before any work
    scores = comparable_scores(records, protocol, source, tasks, reference)
    relations = against(scores, reference, above)
    beside = write(figure.draw(scores, relations, scores.column(reference)), out, "correlations")
    from virb.core.paths import write_whole

    write_whole(beside, table(relations, reference).to_csv(index=False))
    say(str(beside))


@plot_app.command()
def tasks(
    records: Records = None,
    out: Place = _PLOTS,
    method: Annotated[str, typer.Option(help="spearman, pearson or kendall.")] = "spearman",
    tasks: Chosen = None,
    protocol: Rules = None,
    source: From = None,
) -> None:
    """Correlations between tasks over encoders, alike tasks beside one another."""
    from virb.analysis.correlation import between
    from virb.analysis.plots import tasks as figure
    from virb.analysis.plots.style import targets
    from virb.metrics.stats import METHODS

    targets(out, "tasks")
    if method not in METHODS:
        raise UsageError(f"--method {method}", " or ".join(METHODS), "choose one, or leave --method out")
    scores = comparable_scores(records, protocol, source, tasks)
    write(figure.draw(scores, between(scores, method)), out, "tasks")


@plot_app.command()
def profile(
    records: Records = None,
    out: Place = _PLOTS,
    encoder: Named = None,
    tasks: Chosen = None,
    protocol: Rules = None,
    source: From = None,
) -> None:
    """One encoder or several over tasks and quadrants, between floor and ceiling; the others grey behind them."""
    from virb.analysis.plots import profile as figure
    from virb.analysis.plots.style import targets

    targets(out, "profile")
    scores = comparable_scores(records, protocol, source, tasks)
    write(figure.draw(scores, _eight(scores, encoder)), out, "profile")


@plot_app.command()
def ranks(
    records: Records = None,
    out: Place = _PLOTS,
    most: Annotated[int, typer.Option(min=2, help="How many of the best encoders are drawn.")] = 40,
    tasks: Chosen = None,
    protocol: Rules = None,
    source: From = None,
) -> None:
    """Mean ranks with intervals, and bars over encoders that cannot be told apart."""
    from virb.analysis.plots import ranks as figure
    from virb.analysis.plots.style import targets
    from virb.analysis.ranks import rank

    targets(out, "ranks")
    scores = comparable_scores(records, protocol, source, tasks)
    write(figure.draw(scores, rank(scores), most), out, "ranks")


@plot_app.command()
def curves(
    task: Annotated[str, typer.Option(help="The task whose training is drawn.")],
    records: Records = None,
    out: Place = _PLOTS,
    encoder: Named = None,
    protocol: Rules = None,
    source: From = None,
) -> None:
    """Training and validation curves of the records of one task."""
    from virb.analysis.plots import curves as figure
    from virb.analysis.plots.style import safe_name, targets

    targets(out, "curves")
    scores = comparable_scores(records, protocol, source, task)
    if len(scores.columns) > 1:
        raise UsageError(f"--task {task} stands for {len(scores.columns)} tasks", "one task", "name one")
    column = scores.columns[0]
    write(figure.draw(scores, column, _eight(scores, encoder)), out, f"curves-{safe_name(column.name)}")


def _eight(scores: Board, wanted: Sequence[str] | None) -> list[int]:
    """Return the encoders to draw: the named ones, else the best few; more than eight cannot be told apart."""
    from virb.analysis.plots.profile import MOST
    from virb.analysis.ranks import best
    from virb.analysis.scores import choose_encoders

    if not wanted:
        return best(scores, _BEST)
    chosen = choose_encoders(scores, wanted)
    if len(chosen) > MOST:
        raise UsageError(f"{len(chosen)} encoders were named", f"at most {MOST} in one figure", "name fewer")
    return chosen
