"""Command line: tasks and encoders, listed and shown."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from virb.cli.options import Json
from virb.cli.printing import columns, json_asked, show_card
from virb.errors import UsageError

tasks_app = typer.Typer(help="List tasks, or show one card.", invoke_without_command=True)
encoders_app = typer.Typer(help="List encoders, or show one card.", invoke_without_command=True)


@tasks_app.callback()
def _tasks(context: typer.Context, json_output: Json = False) -> None:
    context.obj = json_output
    if context.invoked_subcommand is None:
        list_tasks(context, json_output)


@tasks_app.command("list")
def list_tasks(context: typer.Context, json_output: Json = False) -> None:
    """List every task with its group, metric and title."""
    from virb.suite import GROUPS, all_tasks

    rows = [
        {
            "task": task.name,
            "group": "extra" if task.extra else task.quadrant,
            "metric": task.metric,
            "open": "yes" if task.open else "no",
            "title": task.title,
        }
        for task in all_tasks()
    ]
    if json_asked(context, json_output):
        typer.echo(json.dumps(rows, indent=1))
    else:
        typer.echo(columns(rows) + f"\n\n{len(rows)} tasks. Groups for --tasks: {', '.join(GROUPS)}.")


@tasks_app.command("show")
def show_task(
    context: typer.Context,
    name: str,
    cite: Annotated[bool, typer.Option("--bibtex", help="Print what to cite for it instead, as BibTeX.")] = False,
    json_output: Json = False,
) -> None:
    """Show one task's card, or the papers behind it."""
    from virb.suite import bibtex, task

    if cite and json_asked(context, json_output):
        raise UsageError("both --bibtex and --json were given", "one of them", "leave one out")
    if cite:
        typer.echo(bibtex(task(name)))
    else:
        show_card(task(name), json_asked(context, json_output))


@encoders_app.callback()
def _encoders(context: typer.Context, json_output: Json = False) -> None:
    context.obj = json_output
    if context.invoked_subcommand is None:
        list_encoders(context, json_output)


@encoders_app.command("list")
def list_encoders(context: typer.Context, json_output: Json = False) -> None:
    """List every encoder card."""
    from virb.suite import ENCODERS, encoder_card

    cards = [encoder_card(name) for name in ENCODERS.names()]
    rows = [
        {"encoder": card.name, "weights": card.weights, "method": card.method, "title": card.title} for card in cards
    ]
    note = "Also: a checkpoint file, a card file, timm:NAME, torchvision:NAME, random:ARCH."
    typer.echo(json.dumps(rows, indent=1) if json_asked(context, json_output) else f"{columns(rows)}\n\n{note}")


@encoders_app.command("show")
def show_encoder(context: typer.Context, name: str, json_output: Json = False) -> None:
    """Show one encoder's card."""
    from virb.suite import encoder_card

    show_card(encoder_card(name), json_asked(context, json_output))
