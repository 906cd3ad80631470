"""Command line: the feature cache, shown and cleared."""

from __future__ import annotations

import json

import typer

from virb.cli.options import Json
from virb.cli.printing import columns, json_asked, say

cache_app = typer.Typer(help="Show or clear the feature cache.", invoke_without_command=True)


@cache_app.callback()
def _cache(context: typer.Context, json_output: Json = False) -> None:
    context.obj = json_output
    if context.invoked_subcommand is None:
        show_cache(context, json_output)


@cache_app.command("show")
def show_cache(context: typer.Context, json_output: Json = False) -> None:
    """List what is cached, the most recently used first."""
    import datetime

    from virb.core.paths import cache_folder
    from virb.core.store import Store

    store = Store(cache_folder())
    entries = store.entries()
    rows = [
        {
            **{name: entry.facts.get(name, "") for name in ("encoder", "source", "images", "size")},
            "MB": round(entry.bytes / 1e6, 1),
            "used": datetime.datetime.fromtimestamp(entry.used).isoformat(" ", "minutes"),
            "key": entry.key[:8],
        }
        for entry in entries
    ]
    if json_asked(context, json_output):
        say(json.dumps({"folder": str(store.folder), "entries": rows}, indent=1))
        return
    total = sum(entry.bytes for entry in entries) / 1e6
    table = f"{columns(rows)}\n\n" if rows else ""
    say(table + f"{len(rows)} entries, {total:.1f} MB in {store.folder}")


@cache_app.command("clear")
def clear_cache() -> None:
    """Remove every cached feature; they are made again when needed."""
    from virb.core.paths import cache_folder
    from virb.core.store import Store

    store = Store(cache_folder())
    say(f"removed {store.clear() / 1e6:.1f} MB from {store.folder}")
