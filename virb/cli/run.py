"""Command line: evaluate, and plan, which says what evaluate would do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from virb.cli.arguments import Arguments, takes
from virb.cli.printing import columns, indent, keyed, say
from virb.core.errors import Unsuited, VirbError

if TYPE_CHECKING:
    from virb.core.progress import Progress
    from virb.encode.encoder import Encoder
    from virb.run.encoder_run import EncoderRun
    from virb.run.options import Options
    from virb.run.plan import ImageSet
    from virb.run.report import Report
    from virb.run.tasks import Missing


_KINDS = {"sample": "sample world (synthetic data)", "real": "real data"}


@takes(
    "encoder tasks arch prefix allow_missing sample data protocol probe device precision limit seeds out "
    "force save_heads skip_bad check workers cache_size json_output"
)
def evaluate(asked: Arguments) -> None:
    """Evaluate encoders on tasks; the same command goes on where it was stopped."""
    from virb import api
    from virb.core.progress import choose

    cards, selection, options = asked.cards(), asked.selection(), asked.options()
    from virb.encode.load import check_encoder
    from virb.run.harness import run
    from virb.run.report import Report

    for card in cards:  # before any work
        check_encoder(card)
    progress, report = choose(), Report()
    if asked.sample:
        api.begin_sample(selection, options, progress, report)
    first = (lambda loaded: _print_gap(loaded, options, progress)) if asked.check else (lambda loaded: None)

    try:
        run(cards, selection, options, progress, report, first)
    finally:
        try:
            if asked.json_output:
                say(api.frame(report).to_json(orient="records", indent=1))
            elif report.records or report.resumed:
                say(_summary(report))
        finally:
            _explain(report, options)
    if report.failures or not (report.records or report.resumed):
        raise typer.Exit(1)


@takes(
    "encoder tasks arch prefix allow_missing sample data protocol probe device precision limit seeds out "
    "workers json_output"
)
def plan(asked: Arguments) -> None:
    """Say what would run: image sets, what is missing and why, cache, and minutes from a timed probe."""
    from virb import api
    from virb.core.progress import Silent, choose

    cards, selection, options = asked.cards(), asked.selection(), asked.options()
    if asked.sample:
        api.make_sample(selection, choose(), options.protocol)
    from virb.encode.load import load_encoder
    from virb.run.encoder_run import EncoderRun
    from virb.run.plan import image_sets
    from virb.run.report import Report
    from virb.run.tasks import askable, prepare

    prepared, missing = prepare(selection, options)
    rows: list[dict[str, Any]] = []
    for card in cards if prepared else ():
        run = EncoderRun(load_encoder(card), options, Silent(), Report())
        suited, gaps_of_encoder = askable(run.encoder, prepared)
        missing += gaps_of_encoder
        rows += [_planned(run, image_set) for image_set in image_sets(run.encoder, suited, options)]
    _print_plan(rows, missing, asked.json_output)
    if any(gap.failed for gap in missing) or not rows:
        raise typer.Exit(1)


def _planned(run: EncoderRun, image_set: ImageSet) -> dict[str, Any]:
    from virb.run.cost import estimate

    cost, images = estimate(run, image_set), image_set.images
    return {
        "encoder": run.encoder.card.name,
        "image set": images.pool.source,
        "view": f"{images.view.geometry} {images.view.size}",
        "images": len(images),
        "to encode": cost.images,
        "cache MB": round(cost.bytes / 1e6, 1),
        "minutes": round((cost.encode_seconds + cost.fit_seconds) / 60, 2),
        "tasks": ", ".join(job.task.name + (" (done)" if job.finished else "") for job in image_set.jobs),
    }


def _print_plan(rows: list[dict[str, Any]], missing: Sequence[Missing], json_output: bool) -> None:
    """Print what would run, and what would not."""
    gaps = [{"task": gap.task.name, "fails": gap.failed, "reason": str(gap.error)} for gap in missing]
    if json_output:
        say(json.dumps({"plan": list(map(keyed, rows)), "missing": gaps}, indent=1))
        return
    total = sum(row["minutes"] for row in rows)
    say(
        f"{columns(rows)}\n\nIn all about {total:.1f} minutes, estimated from a short probe on this machine."
        if rows
        else "Nothing would run."
    )
    for gap in gaps:
        say(f"\n{'Fails' if gap['fails'] else 'Left out'}: {gap['task']}\n{indent(str(gap['reason']))}")


def _print_gap(encoder: Encoder, options: Options, progress: Progress) -> None:
    """Say on the side how far an encoder is from its architecture untrained, and warn where it is not."""
    from virb.checks.gap import RULES, TASK, random_gap
    from virb.core.text import show

    try:
        gap = random_gap(encoder, options, progress)
    except Unsuited as error:
        say(f"no check of {encoder.card.name}: {error.found}", err=True)
        return
    score, untrained, low, high, value = (
        show(number, gap.unit)
        for number in (gap.score, gap.untrained, gap.difference.low, gap.difference.high, gap.difference.value)
    )
    say(
        f"check of {gap.encoder}: {score}, {gap.arch} untrained {untrained}; random-init gap {value} [{low}, {high}] "
        f"(sample {TASK}, {RULES})",
        err=True,
    )
    if not gap.differs:
        say(
            f"WARNING: {gap.encoder} is not better than its architecture with random weights.\n"
            "Expected: a gap whose interval lies above 0\n"
            "What to do: see what was loaded with 'virb encoders inspect FILE'; was it trained at all?",
            err=True,
        )


def _summary(report: Report) -> str:
    """Return the table a run ends with."""
    from virb.core.text import show

    rows = []
    shown = [*report.records, *report.resumed]
    kinds = dict.fromkeys(_KINDS[record.data.source] for record in shown)
    for record in shown:
        score, unit = record.score, record.score.unit
        rows.append(
            {
                "encoder": record.encoder.name,
                "task": record.task.name,
                **({"data": record.data.source} if len(kinds) > 1 else {}),
                "metric": score.metric,
                "score": f"{show(score.value, unit)} [{show(score.low, unit)}, {show(score.high, unit)}]",
                "floor": show(record.floor.value, unit),
                "also": ", ".join(f"{name} {show(other.value, other.unit)}" for name, other in record.also.items()),
                "status": "measured" if record in report.records else "done before",
            }
        )
    cut = "" if shown[0].data.limit is None else f", at most {shown[0].data.limit} samples a split, test included"
    title = f"{' and '.join(kinds)}, protocol {shown[0].protocol.name}{cut}; 95 % intervals"
    return f"\n{title}; floor = best constant predictor\n\n{columns(rows)}"


def _explain(report: Report, options: Options) -> None:
    """Say what did not run and why, also when the run was stopped."""
    _explain_each("left out", [(gap.encoder, gap.task.name, gap.error) for gap in report.skipped])
    _explain_each("FAILED", [(failure.encoder, failure.task, failure.error) for failure in report.failures])
    done = len(report.records) + len(report.resumed)
    if done:
        say(f"\n{done} record{'s' * (done > 1)} in {options.out / 'records'}", err=True)
    elif report.skipped and not report.failures:
        say("\nNothing could run.", err=True)


def _explain_each(what: str, happened: Sequence[tuple[str, str, Exception]]) -> None:
    """Print each reason once, below all the tasks that it kept from an encoder."""
    tasks: dict[tuple[str, str], list[str]] = {}
    for encoder, task, error in happened:
        message = str(error) if isinstance(error, VirbError) else _unexpected(error)
        tasks.setdefault((encoder, message), []).append(task)
    for (encoder, message), names in tasks.items():
        where = " on ".join(filter(None, (encoder, ", ".join(filter(None, names)))))
        say(f"\n{what}: {where}\n{indent(message)}", err=True)


def _unexpected(error: Exception) -> str:
    return f"{type(error).__name__}: {error}\nThis is a fault in virb or below it; --debug shows where."
