"""Command line: the feature cache, shown and cleared."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from virb.cli.options import Json
from virb.cli.printing import columns, json_asked, say
from virb.core.errors import UsageError

if TYPE_CHECKING:
    from virb.core.store import Entry, Store

_SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}

cache_app = typer.Typer(help="Show or clear the feature cache.", invoke_without_command=True)


@cache_app.callback()
def _cache(context: typer.Context, json_output: Json = False) -> None:
    context.obj = json_output
    if context.invoked_subcommand is None:
        show_cache(context, json_output)


@cache_app.command("show")
def show_cache(context: typer.Context, json_output: Json = False) -> None:
    """List what is cached, the most recently used first."""
    store = _store()
    rows = _rows(store.entries())
    if json_asked(context, json_output):
        say(json.dumps({"folder": str(store.folder), "entries": rows}, indent=1))
        return
    table = f"{columns(rows)}\n\n" if rows else ""
    say(f"{table}{_sum(store.entries())} in {store.folder}")


@cache_app.command("clear")
def clear_cache(
    context: typer.Context,
    encoder: Annotated[
        str, typer.Option("--encoder", "-e", help="Only what this encoder made; * stands for any.")
    ] = "",
    source: Annotated[str, typer.Option(help="Only of this image set, as 'virb cache' names it; * as above.")] = "",
    older: Annotated[str, typer.Option("--older-than", help="Only what nobody used for so long: 12h, 30d or 8w.")] = "",
    dry: Annotated[bool, typer.Option("--dry-run", help="List what would be removed, and remove nothing.")] = False,
    json_output: Json = False,
) -> None:
    """Remove cached features, all or some; they are made again when needed."""
    store = _store()
    chosen = _chosen(store.entries(), encoder, source, _seconds(older))
    freed = 0
    left: list[Entry] = []
    if not dry and (encoder or source or older):
        freed, left = store.remove(chosen)
    elif not dry:
        freed = store.clear()
    removed = [entry for entry in chosen if entry not in left]
    if json_asked(context, json_output):
        facts = {"folder": str(store.folder), "dry_run": dry, "bytes_removed": freed, "entries": _rows(removed)}
        say(json.dumps({**facts, "in_use": _rows(left)}, indent=1))
    elif dry:
        table = f"{columns(_rows(chosen))}\n\n" if chosen else ""
        say(f"{table}would remove {_sum(chosen)} from {store.folder}")
    else:
        busy = f"; {_count(left)} left, which running processes are at" if left else ""
        say(f"removed {freed / 1e6:.1f} MB from {store.folder}{busy}")


def _store() -> Store:
    from virb.core.paths import cache_folder
    from virb.core.store import Store

    return Store(cache_folder())


def _chosen(entries: Sequence[Entry], encoder: str, source: str, age: float) -> list[Entry]:
    """Return the entries that a selection means; a name that means none is an error that tells what there is."""
    import time
    from fnmatch import fnmatchcase

    found = list(entries)
    for name, pattern in (("encoder", encoder), ("source", source)):
        known = sorted({str(entry.facts.get(name, "")) for entry in entries})
        if pattern and not any(fnmatchcase(one, pattern) for one in known):
            there = ", ".join(known) or "nothing"
            raise UsageError(f"--{name} {pattern} is nowhere in the cache", f"one of {there}", "see 'virb cache show'")
        if pattern:
            found = [entry for entry in found if fnmatchcase(str(entry.facts.get(name, "")), pattern)]
    return [entry for entry in found if not age or entry.used < time.time() - age]


def _seconds(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,6})\s*([hdw])", text.strip().lower())
    if text and not found:
        raise UsageError(f"--older-than {text}", "a number with h, d or w, such as 30d", "leave it out or correct it")
    return int(found[1]) * _SECONDS[found[2]] if found else 0.0


def _rows(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    import datetime

    return [
        {
            **{name: entry.facts.get(name, "") for name in ("encoder", "source", "images", "size")},
            "MB": round(entry.bytes / 1e6, 1),
            "used": datetime.datetime.fromtimestamp(entry.used).isoformat(" ", "minutes"),
            "key": entry.key[:8],
        }
        for entry in entries
    ]


def _sum(entries: Sequence[Entry]) -> str:
    return f"{_count(entries)}, {sum(entry.bytes for entry in entries) / 1e6:.1f} MB"


def _count(entries: Sequence[Entry]) -> str:
    return f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}"
