"""Command line: submit, verify and reproduce: results that others can check."""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from virb.cli.options import Data, Device, Json, Sample, Workers
from virb.cli.printing import columns, keyed, say
from virb.core.errors import UsageError, VirbError
from virb.core.text import clean, many

if TYPE_CHECKING:
    from virb.records.record import Record


def submit(
    encoder: Annotated[
        str, typer.Option("--encoder", "-e", help="The encoder's card: its file or name, or what was evaluated.")
    ],
    records: Annotated[Path, typer.Option("--records", help="Results folder with its records.")] = Path("results"),
    out: Annotated[Path, typer.Option("--out", help="The bundle to write.")] = Path("bundle.zip"),
    fingerprint: Annotated[str, typer.Option(help="Which encoder, where several have this name.")] = "",
    pixel_heads: Annotated[bool, typer.Option("--pixel-heads", help="Add the large heads of pixel tasks.")] = False,
    with_weights: Annotated[bool, typer.Option("--with-weights", help="Add the weights file itself.")] = False,
    weights_url: Annotated[str, typer.Option(help="Where the weights file can be fetched.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle that is there.")] = False,
) -> None:
    """Pack an encoder's card and records into a bundle that anyone can check with 'virb verify'."""
    from virb.cards.encoder_names import encoder_card
    from virb.submit.card import complete

    if out.suffix != ".zip":
        raise UsageError(f"--out {out}", "a file whose name ends in .zip", f"use --out {out.with_suffix('.zip')}")
    if out.exists() and not force:
        raise UsageError(f"{out} is there already", "a new file", "choose another with --out, or add --force")
    card = complete(encoder_card(encoder), _ask if sys.stdin and sys.stdin.isatty() else None)
    from virb.submit.make import Wish, make_bundle

    made = make_bundle(card, records, out, Wish(fingerprint, pixel_heads, with_weights, weights_url))
    tasks = len({record.task.name for record in made.records})
    say(f"{out}: {many(len(made.records), 'record')}, {many(tasks, 'task')}, {out.stat().st_size / 1e6:.1f} MB")
    for note in made.notes:
        say(f"note: {note}", err=True)
    say(f"Check it as others will: virb verify {out}", err=True)


def _ask(question: str) -> str:
    return str(typer.prompt(question, err=True))


def verify(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles, or folders of them.")],
    weights: Annotated[Path | None, typer.Option(help="The encoder's weights file.")] = None,
    data: Data = None,
    sample: Sample = False,
    share: Annotated[str, typer.Option("--slice", help="How much of each test split is run again.")] = "5%",
    seed: Annotated[int | None, typer.Option(help="Which samples; drawn anew each time without it.")] = None,
    device: Device = "auto",
    workers: Workers = None,
    records: Annotated[
        Path, typer.Option("--records", help="Results folder whose records of the same encoder it is held to.")
    ] = Path("results"),
    stale_ok: Annotated[bool, typer.Option("--stale-ok", help="Exit with 0 for stale bundles too.")] = False,
    json_output: Json = False,
) -> None:
    """Check bundles: hashes, every value against its samples, cards and data; with data, run a part again."""
    paths, given = _bundles(bundles), ", ".join(map(str, bundles))
    part = _share(share)
    if weights is not None and data is None and not sample:
        raise UsageError("--weights without data", "--data DIR or --sample too", "name the folder with the data sets")
    from virb.run.options import Asked
    from virb.submit.merge import contradicting
    from virb.submit.verdict import as_json, as_text
    from virb.submit.verify import Trial
    from virb.submit.verify import verify as verify_bundle

    check = None
    if data is not None or sample:
        options = Asked(sample=sample, data=data, device=device, workers=workers).options()
        check = Trial(options, weights, part, secrets.randbelow(1 << 31) if seed is None else seed)
    verdicts = [verify_bundle(path, check) for path in paths]
    if json_output:
        say(as_json(verdicts))
    else:
        say("\n\n".join(as_text(verdict) for verdict in verdicts) or f"There are no bundles in {given}.")
        if check is not None:
            say(f"\nThe part that was run again was drawn with --seed {check.seed}.")
    for path, verdict in zip(paths, verdicts, strict=True):
        for text in contradicting(path, records) if verdict.records else ():
            say(f"note: {clean(str(path))}: {clean(text)}", err=True)
    accepted = {"verified", "consistent", *(["stale"] if stale_ok else [])}
    if any(verdict.verdict not in accepted for verdict in verdicts):
        raise typer.Exit(1)


def _bundles(given: list[Path]) -> list[Path]:
    """Return the bundles that were named, and those in folders that were named."""
    found: list[Path] = []
    for path in given:
        if not path.exists():
            raise UsageError(f"there is no bundle {path}", "a zip file that 'virb submit' wrote", "check the path")
        found += sorted(path.glob("*.zip")) if path.is_dir() else [path]
    return found


def _share(text: str) -> float:
    number = text.strip().removesuffix("%")
    try:
        share = float(number) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise UsageError(f"--slice {text}", "a share such as 5% or 0.05", "leave it out, or correct it")
    return share


def reproduce(
    record: Annotated[Path, typer.Argument(help="A record's JSON file.")],
    run: Annotated[bool, typer.Option("--run", help="Run the command and show the difference.")] = False,
    encoder: Annotated[str, typer.Option("--encoder", "-e", help="The weights file or card, where it is one.")] = "",
    data: Data = None,
    out: Annotated[Path | None, typer.Option(help="Keep what the run writes here.")] = None,
    json_output: Json = False,
) -> None:
    """Print the command that made a record; with --run, run it and show the difference."""
    from virb.records.record import read_record
    from virb.submit import reproduce as again

    if not record.is_file():
        raise UsageError(
            f"there is no record {record}",
            "a record's JSON file, such as results/records/<encoder>/<task>.<protocol>.<key>.json",
            "check the path",
        )
    given = read_record(record)
    shown = again.command(given, encoder=encoder, data=str(data or ""), out=str(out or ""))
    if not run:
        say(again.as_line(shown))
        return
    again.check_runnable(given, encoder)
    with tempfile.TemporaryDirectory(prefix="virb-reproduce-") as folder:
        place = out or Path(folder)
        if (place / "records").exists() and any((place / "records").iterdir()):
            raise UsageError(f"{place} holds records already", "an empty folder", "choose another with --out")
        arguments = again.command(given, encoder=encoder, data=str(data or ""), out=str(place))
        say(again.as_line(shown), err=True)
        _run(arguments)
        _show(given, again.made_again(given, place), json_output)


def _run(arguments: list[str]) -> None:
    """Run the very command, as a process of its own; its table goes to the error stream, ours to the output."""
    done = subprocess.run([sys.executable, "-m", "virb", *arguments], stdout=sys.stderr.fileno(), check=False)
    if done.returncode:
        raise VirbError(
            f"the command ended with {done.returncode}", "a run that ends with 0", "read above what went wrong"
        )


def _show(given: Record, now: Record, json_output: bool) -> None:
    import json

    from virb.submit.reproduce import differences, judgement

    rows = differences(given, now)
    same, sentence = judgement(given, now)
    if json_output:
        found = keyed({row.name: {"recorded": row.recorded, "now": row.now} for row in rows})
        say(json.dumps({"same": same, "judgement": sentence, "facts": found}, indent=1))
    else:
        table = [
            {"": "" if row.same else "*", "fact": row.name, "recorded": row.recorded, "now": row.now} for row in rows
        ]
        say(f"{columns(table)}\n\n{sentence}")
    if not same:
        raise typer.Exit(1)
