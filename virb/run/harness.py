"""Harness: the pipeline on one page: encoder x image sets -> features -> heads -> records."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from virb.cards.encoder import EncoderCard
from virb.cards.protocol import Neighbours, PixelTraining, Training
from virb.cards.select import Selection
from virb.core import stopping
from virb.core.errors import DamagedEntry, OutputError
from virb.core.progress import Progress, Silent
from virb.core.types import Features
from virb.data.facts import metric_of
from virb.encode.encoder import Encoder
from virb.encode.features import head_precision
from virb.encode.load import check_encoder, load_encoder
from virb.encode.stream import StreamedMaps
from virb.heads.fit import (
    Fitted,
    FittedNeighbours,
    PixelFitted,
    epochs,
    fit,
    fit_neighbours,
    fit_pixels,
    on_device,
)
from virb.heads.fit.denormals import denormals_flushed
from virb.metrics import METRICS
from virb.records.record import Record, write
from virb.run import virb2021
from virb.run.journal import Followed, following
from virb.run.options import Options
from virb.run.plan import ImageSet, Job, Prepared, askable, image_sets, prepare
from virb.run.recording import make_record
from virb.run.report import Report
from virb.run.score import Scored, score, score_pixels
from virb.run.truth import Truth, learnable, read_truth
from virb.run.turns import check_writable, in_turn

log = logging.getLogger(__name__)
ImageFitted = Fitted | FittedNeighbours


def run(
    encoders: Sequence[EncoderCard | nn.Module],
    selection: Selection,
    options: Options,
    progress: Progress | None = None,
    report: Report | None = None,
) -> Report:
    """Evaluate encoders on tasks; a task that fails is reported and the others go on."""
    report = report if report is not None else Report()
    check_writable(options)
    for source in encoders:
        check_encoder(source)
    journal = report.follow(options.out)
    names = [source.name if isinstance(source, EncoderCard) else type(source).__name__ for source in encoders]
    report.begin(names, [task.name for task in selection.tasks], options)
    with following(journal), denormals_flushed():
        _run(encoders, selection, options, Followed(progress or Silent(), journal), report)
        report.end()
    return report


def _run(
    encoders: Sequence[EncoderCard | nn.Module],
    selection: Selection,
    options: Options,
    progress: Progress,
    report: Report,
) -> None:
    prepared, missing = prepare(selection, options)
    for gap in missing:
        report.left_out(gap)
    for note in dict.fromkeys(note for item in prepared for note in item.dataset.notes):
        if options.source == "real":
            progress.say(f"note: {note}")
    for item in prepared:
        if lost := item.dataset.skipped:
            progress.say(
                f"note: {item.task.name}: {len(lost)} pictures cannot be read and are left out: {lost[0]}, ..."
            )
    for source in encoders if prepared else ():
        _run_encoder(source, prepared, options, progress, report)


def _run_encoder(
    source: EncoderCard | nn.Module, prepared: list[Prepared], options: Options, progress: Progress, report: Report
) -> None:
    try:
        encoder = load_encoder(source)
        prepared, gaps = askable(encoder, prepared)
        sets = image_sets(encoder, prepared, options)
    except Exception as error:  # a stranger's module or file must not take the other encoders with it
        stopping.check()
        log.debug("encoder failed", exc_info=True)
        name = source.name if isinstance(source, EncoderCard) else type(source).__name__
        report.failed(name, "", error)
        return
    for gap in gaps:
        report.left_out(gap)
    # Heads that another task is scored with later; the others need not stay in memory.
    fits: dict[str, ImageFitted | None] = {item.parent.task.name: None for item in prepared if item.parent}
    for image_set in sets:
        for job in image_set.jobs:
            if job.finished:
                report.found(job.finished)
        waiting = [job for job in image_set.jobs if job.finished is None]
        if waiting:
            _run_image_set(encoder, image_set, waiting, fits, options, progress, report)


def _run_image_set(
    encoder: Encoder,
    image_set: ImageSet,
    jobs: list[Job],
    fits: dict[str, ImageFitted | None],
    options: Options,
    progress: Progress,
    report: Report,
) -> None:
    names = ", ".join(job.task.name for job in jobs)
    try:
        started = time.perf_counter()
        features = _features(encoder, image_set, options, progress)
        seconds = time.perf_counter() - started
    except OutputError:
        raise
    except Exception as error:  # a broken image set must not take the others with it
        stopping.check()
        log.debug("encoding for %s failed", names, exc_info=True)
        for job in jobs:
            report.failed(encoder.card.name, job.task.name, error)
        return
    for job, done in in_turn(jobs, options, progress):
        try:
            if done is None:
                report.measured(_run_job(encoder, image_set, job, features, seconds, fits, options, progress))
            else:
                report.found(done)
        except OutputError:
            raise
        except Exception as error:
            stopping.check()
            log.debug("task %s failed", job.task.name, exc_info=True)
            report.failed(encoder.card.name, job.task.name, error)


def _run_job(
    encoder: Encoder,
    image_set: ImageSet,
    job: Job,
    features: Features,
    encode_seconds: float,
    fits: dict[str, ImageFitted | None],
    options: Options,
    progress: Progress,
) -> Record:
    """Train, choose, score once, write; what was found damaged in the cache meanwhile is made again, once."""
    try:
        measured = _measured(encoder, image_set, job, features, encode_seconds, fits, options, progress)
    except DamagedEntry as error:
        progress.say(f"{job.task.name} begins anew: {error.found}")
        features = _features(encoder, image_set, options, progress)
        measured = _measured(encoder, image_set, job, features, encode_seconds, fits, options, progress)
    write(measured.record, options.out, measured.files)
    return measured.record


@dataclass(frozen=True)
class _Measured:
    """A record with the files beside it, and what it was made from."""

    record: Record
    files: dict[str, bytes]
    fitted: ImageFitted | PixelFitted
    scored: Scored
    truth: Truth | None


def _measured(
    encoder: Encoder,
    image_set: ImageSet,
    job: Job,
    features: Features,
    encode_seconds: float,
    fits: dict[str, ImageFitted | None],
    options: Options,
    progress: Progress,
) -> _Measured:
    started, truth = time.perf_counter(), None
    if job.task.level == "pixel":
        truth = read_truth(job.prepared, options, progress)
        trained_pixels = _fit_pixels(encoder, image_set, job.prepared, features, truth, options, progress)
        fitted: ImageFitted | PixelFitted = trained_pixels
        trained = time.perf_counter()
        scored = score_pixels(job, trained_pixels, features, truth, options.device)
    else:
        fitted = trained_heads = _heads(encoder, job, features, fits, options, progress)
        trained = time.perf_counter()
        scored = score(job, trained_heads, features, options.device)
    seconds = {"encode": encode_seconds, "fit": trained - started, "score": time.perf_counter() - trained}
    record, files = make_record(encoder, image_set, job, fitted, scored, seconds, options)
    return _Measured(record, files, fitted, scored, truth)


def _heads(
    encoder: Encoder,
    job: Job,
    features: Features,
    fits: dict[str, ImageFitted | None],
    options: Options,
    progress: Progress,
) -> ImageFitted:
    """Return the trained heads of a job, or those of the task it borrows them from."""
    owner = job.prepared.parent or job.prepared
    fitted = fits.get(owner.task.name)
    if fitted is None:
        if job.prepared.parent:  # its own run was done before, or not asked for
            (source,) = image_sets(encoder, [owner], options)
            features = _features(encoder, source, options, progress)
        fitted = _fit(encoder, owner, features, options, progress)
        if owner.task.name in fits:
            fits[owner.task.name] = fitted
    return fitted


def _features(encoder: Encoder, image_set: ImageSet, options: Options, progress: Progress) -> Features:
    """Return an image set's features, on the device that heads train on; maps that are streamed are made later."""
    if image_set.streaming:
        return _streamed(encoder, image_set, options, progress)
    return _cached(encoder, image_set, options, progress)


def _streamed(encoder: Encoder, image_set: ImageSet, options: Options, progress: Progress) -> Features:
    """Return features whose maps are made batch by batch; pooled ones are kept where a waiting job reads them."""
    streaming = image_set.streaming
    assert streaming is not None
    pool, rows, view, kept = image_set.pool, image_set.rows, image_set.view, image_set.kept
    progress.say(f"{encoder.card.name}: maps of {pool.source} are made batch by batch: {streaming.reason}")
    features = Features(rows, torch.empty(len(rows), 0))
    if any(job.task.level == "image" and job.finished is None for job in image_set.jobs):
        features = _cached(encoder, replace(image_set, kept=()), options, progress)
    given = (encoder, pool, features.rows, view, streaming.numerics, kept, options.device, options.decoders)
    maps = StreamedMaps(*given, exact=streaming.exact, augment=streaming.augment)
    levels = encoder.levels(view.size)
    return replace(features, maps=maps, levels=tuple(levels[place] for place in kept))


def _cached(encoder: Encoder, image_set: ImageSet, options: Options, progress: Progress) -> Features:
    """Return features from the cache, encoded first where they are not there."""
    stage = f"{encoder.card.name}: encode {image_set.pool.source}"
    with progress.stage(stage, len(image_set.rows), "images") as advance:
        features = options.features().features(
            encoder,
            image_set.pool,
            image_set.rows,
            image_set.view,
            image_set.numerics,
            kept=image_set.kept,
            device=options.device,
            workers=options.decoders,
            advance=advance,
            say=progress.say,
        )
    return on_device(features, options.device)


def _fit(encoder: Encoder, prepared: Prepared, features: Features, options: Options, progress: Progress) -> ImageFitted:
    task, dataset, training = prepared.task, prepared.dataset, prepared.training
    if isinstance(training, Neighbours):
        with progress.stage(f"{encoder.card.name}: neighbours of {task.name}", 1, "choice") as advance:
            return fit_neighbours(
                features,
                dataset.train,
                dataset.val,
                classes=len(dataset.classes),
                training=training,
                metric=METRICS[task.metric],
                device=options.device,
                advance=advance,
            )
    assert isinstance(training, Training)
    stage = f"{encoder.card.name}: train {task.name}"
    with progress.stage(stage, training.epochs * training.seeds, "epochs") as advance:
        return fit(
            features,
            dataset.train,
            dataset.val,
            head=prepared.head,
            classes=len(dataset.classes),
            training=training,
            metric=METRICS[task.metric],
            name=task.name,
            device=options.device,
            advance=advance,
        )


def _fit_pixels(
    encoder: Encoder,
    image_set: ImageSet,
    prepared: Prepared,
    features: Features,
    truth: Truth,
    options: Options,
    progress: Progress,
) -> PixelFitted:
    task, training = prepared.task, prepared.training
    assert isinstance(training, PixelTraining)
    dataset, pieces = learnable(prepared, truth, progress)
    with progress.stage(f"{encoder.card.name}: train {task.name}", epochs(training), "epochs") as advance:
        return fit_pixels(
            features,
            truth.targets,
            pieces.dataset if pieces else dataset,
            head=prepared.head,
            view=image_set.view,
            loss=task.loss,
            training=training,
            metric=metric_of(task, prepared.metrics[0], len(dataset.classes)),
            name=task.name,
            device=options.device,
            advance=advance,
            model=getattr(encoder.body, "model", None),
            weights=virb2021.weights_of(task) if prepared.as_published else None,
            precision=head_precision(image_set.numerics),
            pieces=pieces,
        )
