"""Command line: data sets on the shelf: what is there, fetched, verified, made up, looked at."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from virb.cli.options import Data, Json, Sample
from virb.cli.printing import columns, json_asked, keyed, say
from virb.core.errors import UsageError, did_you_mean
from virb.core.paths import data_folder, user_path

if TYPE_CHECKING:
    from virb.data.shelf import ShelfRow

data_app = typer.Typer(
    help="Show, fetch, verify and look at data sets, or make the sample world.", invoke_without_command=True
)
_SHOWN = 20
"""Broken files that are listed; --json lists all."""
_WIDEST = 24
"""Letters of a licence that the table has room for."""
Names = Annotated[list[str] | None, typer.Argument(help="Data sets; default is all.", show_default=False)]
Name = Annotated[str, typer.Argument(help="A data set, as 'virb data status' lists them.")]
Seed = Annotated[int, typer.Option(help="Another seed gives others.")]
Difficulty = Annotated[float, typer.Option(help="Above 1 pictures have less contrast and more noise, below 1 more.")]


@data_app.callback()
def _data(context: typer.Context, data: Data = None, sample: Sample = False, json_output: Json = False) -> None:
    context.obj = json_output
    if context.invoked_subcommand is None:
        status(context, None, data, sample, json_output)
    elif data or sample:
        raise UsageError(
            f"--data or --sample stands before '{context.invoked_subcommand}'",
            f"virb data {context.invoked_subcommand} ... {'--sample' if sample else '--data DIR'}",
            "write the option after the command's name",
        )


@data_app.command()
def status(
    context: typer.Context, names: Names = None, data: Data = None, sample: Sample = False, json_output: Json = False
) -> None:
    """Say which data sets are there, which are missing or broken, and the next step; of named ones, everything."""
    root = _root(data, sample)
    from virb.data import shelf

    rows = shelf.status(root, names or (), sample=sample)
    if json_asked(context, json_output):
        say(json.dumps({"folder": str(root), "data": [_facts(row) for row in rows]}, indent=1))
    elif names:
        say("\n\n".join(_page(row) for row in rows))
    else:
        say(_table(rows, root))
    if any(row.state == "broken" for row in rows):
        raise typer.Exit(1)


@data_app.command()
def download(
    name: Name,
    data: Data = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the archives after they are unpacked.")] = False,
) -> None:
    """Fetch a data set that needs no registration, unpack it, and read it to prove that it is whole."""
    from virb.core.progress import choose
    from virb.data import shelf

    row = shelf.fetch_dataset(name, _root(data, False), keep=keep, progress=choose())
    say(_page(row))


@data_app.command()
def verify(
    context: typer.Context,
    name: Name,
    data: Data = None,
    sample: Sample = False,
    deep: Annotated[bool, typer.Option("--deep", help="Read every label map too, and hold it to its picture.")] = False,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes; 0 for none beside this one.")] = None,
    json_output: Json = False,
) -> None:
    """Open every picture of a data set, and name those that are broken."""
    from virb.core.progress import choose
    from virb.data import shelf

    root = _root(data, sample, [shelf.card(name).name])
    found = shelf.verify(name, root, deep=deep, workers=workers, progress=choose())
    broken = [{"id": one.id, "file": str(one.path), "reason": one.reason} for one in found.broken]
    if json_asked(context, json_output):
        counts = {"data": name, "folder": str(found.folder), "images": found.images, "labels": found.labels}
        say(json.dumps({**counts, "broken": broken}, indent=1))
    else:
        for one in broken[:_SHOWN]:
            say(f"{one['file']}\n  {one['id']}: {one['reason']}")
        if len(broken) > _SHOWN:
            say(f"... and {len(broken) - _SHOWN:,} more: --json lists them all")
        labels = f" and {found.labels:,} label maps" if found.labels else ""
        say(f"{name}: {found.images:,} pictures{labels} in {found.folder}, {len(broken):,} broken")
    if broken:
        raise typer.Exit(1)


@data_app.command()
def sample(
    names: Names = None,
    size: Annotated[float, typer.Option(help="Share of the usual number of samples.")] = 1.0,
    seed: Seed = 0,
    difficulty: Difficulty = 1.0,
    out: Annotated[Path | None, typer.Option(help="Folder; default is the cache, where --sample looks.")] = None,
) -> None:
    """Make data sets of the built-in sample world, in their owners' layouts."""
    from virb.core.progress import Relay, choose
    from virb.sample import DATASETS, ensure

    with Relay(choose(), "sample world: {}", "images") as relay:
        root = ensure(
            names or DATASETS,
            folder=out and user_path(out),
            size=size,
            seed=seed,
            difficulty=difficulty,
            progress=relay,
        )
    say(root)


@data_app.command()
def show(
    name: Annotated[str, typer.Argument(help="A task or a data set.")],
    target: Annotated[str | None, typer.Option(help="What to show of a data set that has several targets.")] = None,
    data: Data = None,
    sample: Sample = False,
    count: Annotated[
        int | None, typer.Option(min=1, help="How many samples; default 24, or 9 where each takes a row.")
    ] = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="PNG file; default NAME.png in this folder.")] = None,
) -> None:
    """Draw a contact sheet: samples of every split with their targets, to see that the two belong together."""
    dataset, target = _aim(name, target)
    root = _root(data, sample, [dataset])
    place = user_path(out or f"{name}.png")
    if place.suffix.lower() != ".png":
        raise UsageError(f"--out {place}", "a file that ends with .png", "name the file so, or leave --out out")
    from virb.core.paths import written_whole
    from virb.data import read_dataset
    from virb.run.pictures import contact_sheet

    sheet = contact_sheet(read_dataset(dataset, root, target), f"{dataset}: {target}", count=count, seed=seed)
    with written_whole(place) as temporary:
        sheet.save(temporary, "png")
    say(place)


def _root(data: Path | None, sample: bool, names: list[str] | None = None) -> Path:
    """Return the data folder; the sample world's holds these data sets then."""
    if sample and data is not None:
        raise UsageError("both --sample and --data were given", "one of them", "leave one out")
    if not sample:
        return data_folder(data)
    from virb.core.progress import Relay, choose
    from virb.sample import ensure

    with Relay(choose(), "sample world: {}", "images") as relay:
        return ensure(names or [], progress=relay)


def _aim(name: str, target: str | None) -> tuple[str, str]:
    """Return data set and target behind a task's or a data set's name."""
    from virb.cards.select import TASKS, task
    from virb.data import shelf

    uses = shelf.uses()
    if name in TASKS.names() and (name not in uses or not target):
        chosen = task(name)
        return chosen.dataset, target or chosen.target
    if name not in uses:
        known = [*TASKS.names(), *uses]
        raise UsageError(
            f"there is no task or data set '{name}'{did_you_mean(name, known)}",
            "a name that 'virb tasks' or 'virb data' lists",
            "correct the name",
        )
    known = shelf.targets(uses[name])
    if not target and not known:
        raise UsageError(f"no task uses {name} yet", "a target", "name one with --target")
    return name, target or known[0]


def _facts(row: ShelfRow) -> dict[str, Any]:
    return {
        "name": row.card.name,
        "title": row.card.title,
        "state": row.state,
        "sample": row.sample,
        "folder": str(row.folder) if row.folder else None,
        "counts": dict(row.counts),
        "usual_counts": keyed(row.card.counts),
        "notes": list(row.notes),
        "problem": row.problem,
        "size": row.card.size,
        "access": row.card.access,
        "licence": row.card.licence,
        "home": row.card.home,
        "tasks": [task.name for task in row.tasks],
        "next": row.next_step,
    }


def _table(rows: list[ShelfRow], root: Path) -> str:
    """Return all data sets as a table, what is wrong with some, and how the missing ones come."""
    lines = [
        {
            "data set": row.card.name,
            "state": row.state + (" (sample)" if row.sample and row.folder else ""),
            **{split: f"{dict(row.counts)[split]:,}" if row.counts else "" for split in ("train", "val", "test")},
            "access": row.card.access,
            "size": row.card.size,
            "licence": row.card.licence if len(row.card.licence) <= _WIDEST else row.card.licence[:_WIDEST] + "..",
            "tasks": ", ".join(task.name for task in row.tasks),
        }
        for row in rows
    ]
    found = sum(row.state == "found" for row in rows)
    there = "" if root.is_dir() else " (there is no such folder)"
    parts = [columns(lines), f"{found} of {len(rows)} found in {root}{there}"]
    parts += [
        f"{row.card.name}: {note}"
        for row in rows
        for note in (row.problem, *row.notes)
        if row.state != "missing" and note
    ]
    parts += [f"{row.card.name}: {row.next_step}" for row in rows if row.state == "broken"]
    return "\n".join(parts) + _advice(rows)


def _advice(rows: list[ShelfRow]) -> str:
    missing = [row for row in rows if row.state == "missing"]
    if any(row.sample for row in missing):
        return f"\nTo make: virb data sample NAME ({', '.join(row.card.name for row in missing)})"
    fetch = [row.card.name for row in missing if row.card.access == "open"]
    closed = [row.card.name for row in missing if row.card.access != "open"]
    lines = [f"To fetch: virb data download NAME ({', '.join(fetch)})"] if fetch else []
    lines += [f"By hand: virb data status NAME says how ({', '.join(closed)})"] if closed else []
    return "".join(f"\n{line}" for line in lines)


def _page(row: ShelfRow) -> str:
    """Return everything about one data set."""
    counts = ", ".join(f"{split} {count:,}" for split, count in row.counts)
    usual = ", ".join(f"{split} {count:,}" for split, count in row.card.counts.items())
    facts = {
        "state": row.state + (" (sample world)" if row.sample and row.folder else ""),
        "folder": row.folder,
        "counts": counts,
        "usually": usual,
        "problem": row.problem,
        "notes": "; ".join(row.notes),
        "size": row.card.size,
        "access": row.card.access,
        "licence": row.card.licence + (" (from memory)" if "licence" in row.card.from_memory else ""),
        "home": row.card.home,
        "tasks": ", ".join(task.name for task in row.tasks),
        "next": row.next_step,
    }
    lines = [_folded(f"  {key + ':':9} {value}") for key, value in facts.items() if value]
    return "\n".join([f"{row.card.name}: {row.card.title}", *lines])


def _folded(line: str) -> str:
    """Return a long line folded under where its text begins; addresses and paths are never broken."""
    return textwrap.fill(line, 110, subsequent_indent=" " * 12, break_long_words=False, break_on_hyphens=False)
