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
from virb.core.types import Features
from virb.data.facts import metric_of
from virb.data.tiles import Predicted
from virb.encode.load import check_encoder, load_encoder
from virb.heads.fit import (
    PixelFitted,
    predict_pixels,
)
from virb.heads.fit.denormals import denormals_flushed
from virb.records.record import beside, write
from virb.run.harness import _features, _Measured, _measured
from virb.run.options import Options
from virb.run.pictures import as_png, prediction_sheet
from virb.run.pictures.answers import Answers, image_answers, pixel_answers
from virb.run.plan import Job, Prepared, askable, image_sets, prepare
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
    check_encoder(source)
    prepared, missing = prepare(selection, options)
    if missing:
        raise missing[0].error
    with denormals_flushed():  # as above: the same numbers must come out
        return _show(source, prepared, options, count, progress or Silent())


def _show(
    source: EncoderCard | nn.Module, prepared: list[Prepared], options: Options, count: int, progress: Progress
) -> Path:
    encoder = load_encoder(source)
    if gaps := askable(encoder, prepared)[1]:
        raise gaps[0].error
    before = image_sets(encoder, prepared, replace(options, force=False))[0].jobs[0].finished
    (image_set,) = image_sets(encoder, prepared, replace(options, force=True))
    (job,) = image_set.jobs
    started = time.perf_counter()
    features = _features(encoder, image_set, options, progress)
    seconds = time.perf_counter() - started
    measured = _measured(encoder, image_set, job, features, seconds, {}, options, progress)
    record, files = (before, {}) if before else (measured.record, measured.files)
    picture = as_png(prediction_sheet(record, job.prepared.dataset, _answers(job, measured, features, options, count)))
    name = f"{record.stem}.png"
    named = record.model_copy(update={"picture": beside(name, picture)})
    return write(named, options.out, {**files, name: picture}).with_name(name)


def _answers(job: Job, measured: _Measured, features: Features, options: Options, count: int) -> Answers:
    """Return some test samples with what the first seed's head makes of them."""
    dataset, fitted, truth = job.prepared.dataset, measured.fitted, measured.truth
    metric = metric_of(job.task, job.prepared.metrics[0], len(dataset.classes))
    rows, classes = measured.scored.statistics[metric.name][0], measured.scored.predictions
    if classes is not None:
        return image_answers(metric, dataset, rows, classes[0], count)
    assert isinstance(fitted, PixelFitted)
    assert truth is not None
    tested = job.prepared.tested

    def predicted(some: np.ndarray) -> Iterator[Predicted]:
        return predict_pixels(fitted, features, truth.targets, tested.take(some), options.device)

    return pixel_answers(metric, dataset, rows, predicted, count)
