"""Command line: how rows, cards and blocks of text are printed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from virb.core.text import brief, clean, printable


def say(text: object, err: bool = False, nl: bool = True) -> None:
    """Print what a command has to say: all of a result, a message to the error stream cut to a length to be read.

    This is the only place where a command prints. What strangers wrote reaches no terminal but through here.
    """
    typer.echo(brief(str(text)) if err else printable(str(text)), err=err, nl=nl)


def json_asked(context: typer.Context, asked: bool) -> bool:
    """Tell whether JSON was asked for, before the subcommand's name or after it."""
    return asked or bool(context.obj)


def show_card(card: Any, json_output: bool) -> None:
    """Print a card as YAML, or all of it as JSON."""
    import yaml

    content = card.model_dump(mode="json", exclude_defaults=not json_output)
    say(json.dumps(content, indent=1) if json_output else yaml.safe_dump(content, sort_keys=False).rstrip())


def keyed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts under keys that scripts need not quote: `image set` becomes `image_set`."""
    return {re.sub(r"\W+", "_", name): value for name, value in facts.items()}


def columns(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as aligned columns: readable, and easy for other tools to cut; no cell moves a cursor."""
    if not rows:
        return ""
    table = [list(rows[0]), *([clean(str(value)) for value in row.values()] for row in rows)]
    widths = [max(len(line[place]) for line in table) for place in range(len(table[0]))]
    table.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
    )


def indent(text: str) -> str:
    """Return a text two spaces further in."""
    return "\n".join(f"  {line}" for line in text.splitlines())
