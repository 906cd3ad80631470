"""Show: what an encoder's head answers on some test samples, as a picture beside the record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from virb.cards.encoder import EncoderCard
from virb.cards.select import Selection
from virb.core.progress import Progress, Silent
from virb.core.types import Features, Predicted
from virb.encode.load import load_encoder
from virb.heads.fit.denormals import denormals_flushed
from virb.records.record import beside, write
from virb.run.encoder_run import EncoderRun
from virb.run.harness import Measured, measure
from virb.run.options import Options
from virb.run.pictures import as_png, prediction_sheet
from virb.run.pictures.answers import Answers, image_answers, pixel_answers
from virb.run.plan import Job, image_sets
from virb.run.report import Report
from virb.run.tasks import Prepared, askable, metrics_of, prepare
from virb.run.turns import check_writable


def show(
    source: EncoderCard | nn.Module,
    selection: Selection,
    options: Options,
    count: int = 6,
    progress: Progress | None = None,
) -> Path:
    """Draw what one encoder's head answers on some test samples of one task, and name the picture in the record.

    Heads are not kept as a rule, and training them again is repeatable: so that is done. A record that is there
    already stays as it is, but for its picture.
    """
    check_writable(options)
    prepared, missing = prepare(selection, options)
    if missing:
        raise missing[0].error
    with denormals_flushed():  # as above: the same numbers must come out
        return _show(EncoderRun(load_encoder(source), options, progress or Silent(), Report()), prepared, count)


def _show(run: EncoderRun, prepared: list[Prepared], count: int) -> Path:
    if gaps := askable(run.encoder, prepared)[1]:
        raise gaps[0].error
    before = image_sets(run.encoder, prepared, replace(run.options, force=False))[0].jobs[0].finished
    (image_set,) = image_sets(run.encoder, prepared, replace(run.options, force=True))
    (job,) = image_set.jobs
    started = time.perf_counter()
    features = run.features(image_set)
    measured = measure(run, image_set, job, features, time.perf_counter() - started)
    record, files = (before, {}) if before else (measured.record, measured.files)
    picture = as_png(prediction_sheet(record, job.prepared.dataset, _answers(job, measured, features, count)))
    name = f"{record.stem}.png"
    named = record.model_copy(update={"picture": beside(name, picture)})
    return write(named, run.options.out, {**files, name: picture}).with_name(name)


def _answers(job: Job, measured: Measured, features: Features, count: int) -> Answers:
    """Return some test samples with what the first seed's head makes of them."""
    dataset, tested = job.prepared.dataset, job.prepared.tested
    metric = metrics_of(job.prepared)[0]
    rows, classes = measured.scored.statistics[metric.name][0], measured.scored.predictions
    if classes is not None:
        return image_answers(metric, dataset, rows, classes[0], count)

    def predicted(some: np.ndarray) -> Iterator[Predicted]:
        return measured.fitted.answers(features, tested.take(some))

    return pixel_answers(metric, dataset, rows, predicted, count)
