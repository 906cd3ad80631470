"""Harness: the pipeline on one page: encoder x image sets -> features -> heads -> records."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from virb.cards.encoder import EncoderCard
from virb.cards.select import Selection
from virb.core import stopping
from virb.core.errors import DamagedEntry, OutputError
from virb.core.progress import Progress, Silent
from virb.core.types import Features
from virb.encode.encoder import Encoder
from virb.encode.load import load_encoder
from virb.heads.fit import Fitted
from virb.heads.fit.denormals import denormals_flushed
from virb.records.record import Record, write
from virb.run.encoder_run import EncoderRun
from virb.run.journal import Followed, following
from virb.run.options import Options
from virb.run.plan import ImageSet, Job, image_sets
from virb.run.probes import probe_of
from virb.run.recording import make_record
from virb.run.report import Report
from virb.run.score import Scored, score
from virb.run.tasks import Prepared, askable, prepare
from virb.run.truth import Truth, read_truth
from virb.run.turns import check_writable, in_turn

log = logging.getLogger(__name__)


def run(
    encoders: Sequence[EncoderCard | nn.Module],
    selection: Selection,
    options: Options,
    progress: Progress | None = None,
    report: Report | None = None,
    first: Callable[[Encoder], None] = lambda encoder: None,
) -> Report:
    """Evaluate encoders on tasks; a task that fails is reported and the others go on.

    `first` is shown each encoder when it is loaded, before its tasks.
    """
    report = report if report is not None else Report()
    check_writable(options)
    journal = report.follow(options.out)
    report.begin([_name(source) for source in encoders], [task.name for task in selection.tasks], options)
    with following(journal), denormals_flushed():
        followed = Followed(progress or Silent(), journal)
        prepared = _prepared(selection, options, followed, report)
        for source in encoders if prepared else ():
            if encoder := _loaded(source, first, report):
                _run_encoder(EncoderRun(encoder, options, followed, report), prepared)
        report.end()
    return report


def _prepared(selection: Selection, options: Options, progress: Progress, report: Report) -> list[Prepared]:
    """Return the tasks whose data are there, and tell of what is not or is odd."""
    prepared, missing = prepare(selection, options)
    for gap in missing:
        report.left_out(gap)
    for note in dict.fromkeys(note for item in prepared if item.source == "real" for note in item.dataset.notes):
        progress.say(f"note: {note}")
    found = [item.task.name for item in prepared if item.source != options.source]
    if found:
        progress.say(f"note: {options.root} holds the sample world, not real data, for {', '.join(found)}")
    for item in prepared:
        if lost := item.dataset.skipped:
            progress.say(
                f"note: {item.task.name}: {len(lost)} pictures cannot be read and are left out: {lost[0]}, ..."
            )
    return prepared


def _loaded(source: EncoderCard | nn.Module, first: Callable[[Encoder], None], report: Report) -> Encoder | None:
    """Return an encoder; a stranger's module or file must not take the others with it."""
    try:
        encoder = load_encoder(source)
        first(encoder)
    except Exception as error:
        _explain(report, _name(source), "", error)
        return None
    return encoder


def _run_encoder(run: EncoderRun, prepared: list[Prepared]) -> None:
    """Evaluate one encoder on all tasks that it can be asked; those on the same images share one pass over them."""
    try:
        prepared, gaps = askable(run.encoder, prepared)
        sets = image_sets(run.encoder, prepared, run.options)
    except Exception as error:
        _explain(run.report, run.encoder.card.name, "", error)
        return
    for gap in gaps:
        run.report.left_out(gap)
    run.borrowed.update({item.parent.task.name: None for item in prepared if item.parent})
    for image_set in sets:
        for job in image_set.jobs:
            if job.finished:
                run.report.found(job.finished)
        if image_set.waiting:
            _run_image_set(run, image_set)


def _run_image_set(run: EncoderRun, image_set: ImageSet) -> None:
    """Encode the images of some tasks once, then do the tasks one by one."""
    started = time.perf_counter()
    try:
        features = run.features(image_set)
    except Exception as error:  # a broken image set must not take the others with it
        for job in image_set.waiting:
            _explain(run.report, run.encoder.card.name, job.task.name, error)
        return
    seconds = time.perf_counter() - started
    for job, done in in_turn(image_set.waiting, run.options, run.progress):
        try:
            if done is None:
                run.report.measured(_run_job(run, image_set, job, features, seconds))
            else:
                run.report.found(done)
        except Exception as error:
            _explain(run.report, run.encoder.card.name, job.task.name, error)


def _run_job(run: EncoderRun, image_set: ImageSet, job: Job, features: Features, seconds: float) -> Record:
    """Train, choose, score once, write; what was found damaged in the cache meanwhile is made again, once."""
    try:
        measured = measure(run, image_set, job, features, seconds)
    except DamagedEntry as error:
        run.progress.say(f"{job.task.name} begins anew: {error.found}")
        measured = measure(run, image_set, job, run.features(image_set), seconds)
    write(measured.record, run.options.out, measured.files)
    return measured.record


@dataclass(frozen=True)
class Measured:
    """A record with the files beside it, and what it was made from."""

    record: Record
    files: dict[str, bytes]
    fitted: Fitted
    scored: Scored


def measure(run: EncoderRun, image_set: ImageSet, job: Job, features: Features, encode_seconds: float) -> Measured:
    """Return what a job comes to; the test split is touched once."""
    started = time.perf_counter()
    truth = read_truth(job.prepared, run.options, run.progress)
    fitted = _heads(run, image_set, job, features, truth)
    trained = time.perf_counter()
    scored = score(job, fitted, truth, features, run.options.device)
    seconds = {"encode": encode_seconds, "fit": trained - started, "score": time.perf_counter() - trained}
    record, files = make_record(run, image_set, job, fitted, scored, seconds)
    return Measured(record, files, fitted, scored)


def _heads(run: EncoderRun, image_set: ImageSet, job: Job, features: Features, truth: Truth) -> Fitted:
    """Return the trained heads of a job, or those of the task it borrows them from."""
    owner = job.prepared.parent or job.prepared
    fitted = run.borrowed.get(owner.task.name)
    if fitted is None:
        if job.prepared.parent:  # its own run was done before, or not asked for
            (image_set,) = image_sets(run.encoder, [owner], run.options)
            features, truth = run.features(image_set), read_truth(owner, run.options, run.progress)
        fitted = _fit(run, image_set, owner, features, truth)
        if owner.task.name in run.borrowed:
            run.borrowed[owner.task.name] = fitted
    return fitted


def _fit(run: EncoderRun, image_set: ImageSet, prepared: Prepared, features: Features, truth: Truth) -> Fitted:
    probe = probe_of(run, image_set, prepared, truth)
    train, val = truth.learnable(run.progress)
    verb, total, unit = probe.work
    with run.progress.stage(f"{run.encoder.card.name}: {verb} {prepared.task.name}", total, unit) as advance:
        return probe.fit(features, train, val, advance)


def _name(source: EncoderCard | nn.Module) -> str:
    return source.name if isinstance(source, EncoderCard) else type(source).__name__


def _explain(report: Report, encoder: str, task: str, error: Exception) -> None:
    """Take a failure and let the others go on; a results folder that cannot be written ends the run."""
    stopping.check()
    if isinstance(error, OutputError):
        raise error
    log.debug("%s failed", f"task {task}" if task else f"encoder {encoder}", exc_info=True)
    report.failed(encoder, task, error)
