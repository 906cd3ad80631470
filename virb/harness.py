"""Harness: the pipeline on one page: encoder x image sets -> features -> heads -> records."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from virb.backbones import Encoder
from virb.errors import OutputError
from virb.fit import Fitted, PixelFitted, epochs, fit, fit_pixels
from virb.metrics import METRICS, metric_for
from virb.paths import explain_write_errors
from virb.plan import ImageSet, Job, Missing, Options, Prepared, check_encoder, image_sets, load_encoder, prepare
from virb.progress import Progress, Silent
from virb.record import Record, write
from virb.score import make_record, score, score_pixels
from virb.spec import EncoderCard, PixelTraining, Training
from virb.suite import Selection
from virb.targets import Targets, load_targets
from virb.types import Features

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """A task that did not end in a record, with its reason."""

    encoder: str
    task: str
    error: Exception


@dataclass
class Report:
    """What a run came to; filled while it goes on, so that an interrupted one can still tell."""

    records: list[Record] = field(default_factory=list)
    resumed: list[Record] = field(default_factory=list)
    skipped: list[Missing] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def run(
    encoders: Sequence[EncoderCard | nn.Module],
    selection: Selection,
    options: Options,
    progress: Progress | None = None,
    report: Report | None = None,
) -> Report:
    """Evaluate encoders on tasks; a task that fails is reported and the others go on."""
    progress, report = progress or Silent(), report if report is not None else Report()
    # Weights of confident heads shrink into denormal numbers, which double the time of a step (measured).
    torch.set_flush_denormal(True)
    _check_writable(options)
    for source in encoders:
        check_encoder(source)
    prepared, missing = prepare(selection, options)
    report.skipped += [gap for gap in missing if not gap.failed]
    report.failures += [Failure("", gap.task.name, gap.error) for gap in missing if gap.failed]
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
    return report


def _run_encoder(
    source: EncoderCard | nn.Module, prepared: list[Prepared], options: Options, progress: Progress, report: Report
) -> None:
    try:
        encoder = load_encoder(source)
        sets = image_sets(encoder, prepared, options)
    except Exception as error:  # a stranger's module or file must not take the other encoders with it
        log.debug("encoder failed", exc_info=True)
        name = source.name if isinstance(source, EncoderCard) else type(source).__name__
        report.failures.append(Failure(name, "", error))
        return
    # Heads that another task is scored with later; the others need not stay in memory.
    fits: dict[str, Fitted | None] = {item.parent.task.name: None for item in prepared if item.parent}
    for image_set in sets:
        report.resumed += [job.finished for job in image_set.jobs if job.finished]
        waiting = [job for job in image_set.jobs if job.finished is None]
        if waiting:
            _run_image_set(encoder, image_set, waiting, fits, options, progress, report)


def _run_image_set(
    encoder: Encoder,
    image_set: ImageSet,
    jobs: list[Job],
    fits: dict[str, Fitted | None],
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
        log.debug("encoding for %s failed", names, exc_info=True)
        report.failures += [Failure(encoder.card.name, job.task.name, error) for job in jobs]
        return
    for job in jobs:
        try:
            report.records.append(_run_job(encoder, image_set, job, features, seconds, fits, options, progress))
        except OutputError:
            raise
        except Exception as error:
            log.debug("task %s failed", job.task.name, exc_info=True)
            report.failures.append(Failure(encoder.card.name, job.task.name, error))


def _run_job(
    encoder: Encoder,
    image_set: ImageSet,
    job: Job,
    features: Features,
    encode_seconds: float,
    fits: dict[str, Fitted | None],
    options: Options,
    progress: Progress,
) -> Record:
    """Train, choose, score once, write."""
    started = time.perf_counter()
    if job.task.level == "pixel":
        targets = _targets(job.prepared, options, progress)
        trained_pixels = _fit_pixels(encoder, image_set, job.prepared, features, targets, options, progress)
        fitted: Fitted | PixelFitted = trained_pixels
        trained = time.perf_counter()
        scored = score_pixels(job, trained_pixels, features, targets, options.device)
    else:
        fitted = trained_heads = _heads(encoder, job, features, fits, options, progress)
        trained = time.perf_counter()
        scored = score(job, trained_heads, features, options.device)
    seconds = {"encode": encode_seconds, "fit": trained - started, "score": time.perf_counter() - trained}
    record, files = make_record(encoder, image_set, job, fitted, scored, seconds, options)
    write(record, options.out, files)
    return record


def _heads(
    encoder: Encoder,
    job: Job,
    features: Features,
    fits: dict[str, Fitted | None],
    options: Options,
    progress: Progress,
) -> Fitted:
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
    """Return an image set's features, on the device that heads train on."""
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
        )
    return _on_device(features, options.device)


def _fit(encoder: Encoder, prepared: Prepared, features: Features, options: Options, progress: Progress) -> Fitted:
    task, dataset, training = prepared.task, prepared.dataset, prepared.training
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


def _targets(prepared: Prepared, options: Options, progress: Progress) -> Targets:
    """Return a pixel task's targets at the protocol's size: the same pixels are scored whatever the encoder takes."""
    dataset = prepared.dataset
    count = sum(dataset.counts.values())
    with progress.stage(f"read targets of {prepared.task.name}", count, "targets") as advance:
        return load_targets(dataset, options.protocol.size, options.features().store, options.decoders, advance)


def _fit_pixels(
    encoder: Encoder,
    image_set: ImageSet,
    prepared: Prepared,
    features: Features,
    targets: Targets,
    options: Options,
    progress: Progress,
) -> PixelFitted:
    task, dataset, training = prepared.task, prepared.dataset, prepared.training
    assert isinstance(training, PixelTraining)
    with progress.stage(f"{encoder.card.name}: train {task.name}", epochs(training), "epochs") as advance:
        return fit_pixels(
            features,
            targets,
            dataset,
            head=prepared.head,
            view=image_set.view,
            loss=task.loss,
            training=training,
            metric=metric_for(task.metric, task.dataset, task.target, len(dataset.classes)),
            name=task.name,
            device=options.device,
            advance=advance,
        )


def _on_device(features: Features, device: torch.device) -> Features:
    """Keep features on the GPU while heads train, where they fit."""
    if device.type != "cuda":
        return features
    try:
        return replace(features, pooled=features.pooled.to(device))
    except torch.OutOfMemoryError:
        log.warning("the features do not fit on %s: they stay in memory", device)
        return features


def _check_writable(options: Options) -> None:
    """Find out before the work, not after it, that the results have nowhere to go."""
    with explain_write_errors(options.out):
        folder = options.out / "records"
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_text("")
        probe.unlink(missing_ok=True)
