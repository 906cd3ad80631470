"""Command line: parsing and printing only. Heavy imports stand inside the commands, so that help is instant."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from virb.errors import UsageError, VirbError

if TYPE_CHECKING:
    from virb.harness import Report
    from virb.plan import Options

app = typer.Typer(
    name="virb",
    help="What a visual encoder is worth: frozen features, task heads, honest scores.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
tasks_app = typer.Typer(help="List tasks, or show one card.", invoke_without_command=True)
encoders_app = typer.Typer(help="List encoders, or show one card.", invoke_without_command=True)
cache_app = typer.Typer(help="Show or clear the feature cache.", invoke_without_command=True)
app.add_typer(tasks_app, name="tasks")
app.add_typer(encoders_app, name="encoders")
app.add_typer(cache_app, name="cache")

Encoders = Annotated[
    list[str],
    typer.Option(
        "--encoder",
        "-e",
        help="A card's name, a file, timm:NAME, torchvision:NAME, random:ARCH, baseline:NAME; may be given again.",
    ),
]
Tasks = Annotated[str, typer.Option(help="'all', a group, task names or card files, separated by commas.")]
Sample = Annotated[bool, typer.Option("--sample", help="Run on the built-in sample world: no data set is needed.")]
Data = Annotated[Path | None, typer.Option(help="Folder with the data sets; default $VIRB_DATA, else ./data.")]
ProtocolName = Annotated[
    str | None, typer.Option("--protocol", help="standard, quick or virb2021; default standard, with --sample quick.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Precision = Annotated[str, typer.Option(help="auto, float32, float16 or bfloat16, for the encoder.")]
Limit = Annotated[int | None, typer.Option(help="At most N samples in each split.")]
Seeds = Annotated[int | None, typer.Option(help="How many training seeds; default is the protocol's.")]
Out = Annotated[Path, typer.Option(help="Results folder.")]
Workers = Annotated[int | None, typer.Option(help="Processes that decode images.")]
CacheSize = Annotated[float | None, typer.Option(help="Bound of the feature cache, in GiB.")]
_INTERRUPTED = 130
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def _print_version(asked: bool) -> None:
    if asked:
        from virb import __version__

        typer.echo(f"virb {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s: %(message)s")
    for noisy in ("PIL", "matplotlib", "urllib3", "httpx", "huggingface_hub", "filelock", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


@app.command()
def evaluate(
    encoder: Encoders,
    tasks: Tasks = "all",
    sample: Sample = False,
    data: Data = None,
    protocol: ProtocolName = None,
    device: Device = "auto",
    precision: Precision = "auto",
    limit: Limit = None,
    seeds: Seeds = None,
    out: Out = Path("results"),
    force: Annotated[bool, typer.Option("--force", help="Redo what is done already.")] = False,
    save_heads: Annotated[bool, typer.Option("--save-heads", help="Keep the chosen heads as safetensors.")] = False,
    workers: Workers = None,
    cache_size: CacheSize = None,
    json_output: Json = False,
) -> None:
    """Evaluate encoders on tasks; the same command goes on where it was stopped."""
    from virb import api
    from virb.progress import choose
    from virb.suite import encoder_cards, select_tasks

    cards, selection = encoder_cards(encoder), select_tasks(tasks)
    options = _options(locals())
    from virb.harness import Report, run
    from virb.plan import check_encoder

    for card in cards:  # before any work
        check_encoder(card)
    progress = choose()
    if sample:
        api.make_sample(selection, progress)

    report = Report()
    try:
        run(cards, selection, options, progress, report)
    finally:
        if json_output:
            typer.echo(api.frame(report).to_json(orient="records", indent=1))
        elif report.records or report.resumed:
            typer.echo(_summary(report))
        _explain(report, options)
    if report.failures or not (report.records or report.resumed):
        raise typer.Exit(1)


@app.command()
def plan(
    encoder: Encoders,
    tasks: Tasks = "all",
    sample: Sample = False,
    data: Data = None,
    protocol: ProtocolName = None,
    device: Device = "auto",
    precision: Precision = "auto",
    limit: Limit = None,
    seeds: Seeds = None,
    out: Out = Path("results"),
    workers: Workers = None,
    json_output: Json = False,
) -> None:
    """Say what would run: image sets, what is missing and why, cache, and minutes from a timed probe."""
    from virb import api
    from virb.progress import choose
    from virb.suite import encoder_cards, select_tasks

    cards, selection = encoder_cards(encoder), select_tasks(tasks)
    options = _options(locals())
    if sample:
        api.make_sample(selection, choose())
    from virb.plan import estimate, image_sets, load_encoder, prepare

    prepared, missing = prepare(selection, options)
    rows: list[dict[str, Any]] = []
    for card in cards if prepared else ():
        loaded = load_encoder(card)
        for image_set in image_sets(loaded, prepared, options):
            cost = estimate(loaded, image_set, options)
            rows.append(
                {
                    "encoder": card.name,
                    "image set": image_set.pool.source,
                    "view": f"{image_set.view.geometry} {image_set.view.size}",
                    "images": len(image_set.rows),
                    "to encode": cost.images,
                    "cache MB": round(cost.bytes / 1e6, 1),
                    "minutes": round((cost.encode_seconds + cost.fit_seconds) / 60, 2),
                    "tasks": ", ".join(job.task.name + (" (done)" if job.finished else "") for job in image_set.jobs),
                }
            )
    gaps = [{"task": gap.task.name, "fails": gap.failed, "reason": str(gap.error)} for gap in missing]
    if json_output:
        typer.echo(json.dumps({"plan": rows, "missing": gaps}, indent=1))
    else:
        total = sum(row["minutes"] for row in rows)
        typer.echo(
            f"{_columns(rows)}\n\nIn all about {total:.1f} minutes, estimated from a short probe on this machine."
            if rows
            else "Nothing would run."
        )
        for gap in gaps:
            typer.echo(f"\n{'Fails' if gap['fails'] else 'Left out'}: {gap['task']}\n{_indent(str(gap['reason']))}")
    if any(gap["fails"] for gap in gaps) or not rows:
        raise typer.Exit(1)


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
    if _json(context, json_output):
        typer.echo(json.dumps(rows, indent=1))
    else:
        typer.echo(_columns(rows) + f"\n\n{len(rows)} tasks. Groups for --tasks: {', '.join(GROUPS)}.")


@tasks_app.command("show")
def show_task(context: typer.Context, name: str, json_output: Json = False) -> None:
    """Show one task's card."""
    from virb.suite import task

    _show_card(task(name), _json(context, json_output))


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
    typer.echo(json.dumps(rows, indent=1) if _json(context, json_output) else f"{_columns(rows)}\n\n{note}")


@encoders_app.command("show")
def show_encoder(context: typer.Context, name: str, json_output: Json = False) -> None:
    """Show one encoder's card."""
    from virb.suite import encoder_card

    _show_card(encoder_card(name), _json(context, json_output))


@app.command()
def leaderboard(
    out: Out = Path("results"),
    form: Annotated[str, typer.Option("--format", help="table, csv, markdown or json.")] = "table",
) -> None:
    """Rank encoders on comparable records only."""
    from virb.record import read_all

    if form not in ("table", "csv", "markdown", "json"):
        raise UsageError(f"there is no format '{form}'", "table, csv, markdown or json", "choose one")
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


@cache_app.callback()
def _cache(context: typer.Context, json_output: Json = False) -> None:
    context.obj = json_output
    if context.invoked_subcommand is None:
        show_cache(context, json_output)


@cache_app.command("show")
def show_cache(context: typer.Context, json_output: Json = False) -> None:
    """List what is cached, the most recently used first."""
    import datetime

    from virb.paths import cache_folder
    from virb.store import Store

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
    if _json(context, json_output):
        typer.echo(json.dumps({"folder": str(store.folder), "entries": rows}, indent=1))
        return
    total = sum(entry.bytes for entry in entries) / 1e6
    table = f"{_columns(rows)}\n\n" if rows else ""
    typer.echo(table + f"{len(rows)} entries, {total:.1f} MB in {store.folder}")


@cache_app.command("clear")
def clear_cache() -> None:
    """Remove every cached feature; they are made again when needed."""
    from virb.paths import cache_folder
    from virb.store import Store

    store = Store(cache_folder())
    typer.echo(f"removed {store.clear() / 1e6:.1f} MB from {store.folder}")


def _json(context: typer.Context, asked: bool) -> bool:
    """Tell whether JSON was asked for, before the subcommand's name or after it."""
    return asked or bool(context.obj)


def _options(given: dict[str, Any]) -> Options:
    from virb.api import make_options

    names = "sample data device precision limit seeds out force save_heads workers cache_size".split()
    return make_options(protocol_name=given["protocol"], **{name: given[name] for name in names if name in given})


def _summary(report: Report) -> str:
    """Return the table a run ends with."""
    from virb.leaderboard import show

    rows = []
    for record in [*report.records, *report.resumed]:
        score, unit = record.score, record.score.unit
        rows.append(
            {
                "encoder": record.encoder.name,
                "task": record.task.name,
                "metric": score.metric,
                "score": f"{show(score.value, unit)} [{show(score.low, unit)}, {show(score.high, unit)}]",
                "floor": show(record.floor.value, unit),
                "also": ", ".join(f"{name} {show(other.value, other.unit)}" for name, other in record.also.items()),
                "status": "measured" if record in report.records else "done before",
            }
        )
    first = (report.records or report.resumed)[0]
    kind = "sample world (synthetic data)" if first.data.source == "sample" else "real data"
    title = f"{kind}, protocol {first.protocol.name}; 95 % intervals; floor = best constant predictor"
    return f"\n{title}\n\n{_columns(rows)}"


def _explain(report: Report, options: Options) -> None:
    """Say what did not run and why, also when the run was stopped."""
    for gap in report.skipped:
        typer.echo(f"\nleft out: {gap.task.name}\n{_indent(str(gap.error))}", err=True)
    for failure in report.failures:
        where = " on ".join(filter(None, (failure.encoder, failure.task)))
        message = str(failure.error) if isinstance(failure.error, VirbError) else _unexpected(failure.error)
        typer.echo(f"\nFAILED: {where}\n{_indent(message)}", err=True)
    done = len(report.records) + len(report.resumed)
    if done:
        typer.echo(f"\n{done} record{'s' * (done > 1)} in {options.out / 'records'}", err=True)
    elif report.skipped and not report.failures:
        typer.echo("\nNothing could run.", err=True)


def _unexpected(error: Exception) -> str:
    return f"{type(error).__name__}: {error}\nThis is a fault in virb or below it; --debug shows where."


def _show_card(card: Any, json_output: bool) -> None:
    import yaml

    content = card.model_dump(mode="json", exclude_defaults=not json_output)
    typer.echo(json.dumps(content, indent=1) if json_output else yaml.safe_dump(content, sort_keys=False).rstrip())


def _columns(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as aligned columns: readable, and easy for other tools to cut."""
    if not rows:
        return ""
    table = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[place]) for line in table) for place in range(len(table[0]))]
    table.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
    )


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; a user's error is a message, never a traceback unless --debug asks for it."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    ordered = [*(["--debug"] if debug else []), *(item for item in given if item != "--debug")]
    try:
        code = int(app(ordered, prog_name="virb", standalone_mode=False) or 0)
    except VirbError as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except typer.Exit as stop:
        code = stop.exit_code
    except BrokenPipeError:
        return 0
    except Exception as error:
        show = getattr(error, "show", None)  # click's own usage errors know how to print themselves
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", 2))
    if code == _INTERRUPTED:
        typer.echo("\nInterrupted. Finished records are whole; the same command goes on.", err=True)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
