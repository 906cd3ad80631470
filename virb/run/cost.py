"""Cost: what an image set will take, from short timed probes of this encoder and these heads on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch

from virb.cards.protocol import PixelTraining, Training
from virb.core.types import Features, Rows, Split
from virb.data.images import decoded
from virb.data.targets import Targets
from virb.encode.features import Pass
from virb.heads.fit import PixelProbe, StackProbe
from virb.heads.fit.pixels import looks
from virb.metrics import METRICS
from virb.run.encoder_run import EncoderRun
from virb.run.plan import ImageSet, Job
from virb.run.probes import probe_of
from virb.run.truth import PixelTruth

_FORWARD = 1 / 3
"""What an answer costs of a step of training, which also goes back through twice as many products."""


@dataclass(frozen=True)
class Cost:
    """What one image set will take: passes of pictures through the encoder, bytes of cache, seconds."""

    images: int
    bytes: int
    encode_seconds: float
    fit_seconds: float


def estimate(run: EncoderRun, image_set: ImageSet) -> Cost:
    """Return the cost of an image set from a short timed probe of this encoder and these heads."""
    images, size = _images(run, image_set)
    pace = _encode_pace(run, image_set) if images else 0.0
    return Cost(images, size, pace * images, sum(_fit_seconds(run, image_set, job) for job in image_set.waiting))


def _images(run: EncoderRun, image_set: ImageSet) -> tuple[int, int]:
    """Return how many pictures will be encoded, and how many bytes kept of them."""
    streaming, waiting = image_set.streaming, image_set.waiting
    stored = replace(image_set.images, kept=()) if streaming else image_set.images
    pooled = not streaming or any(job.task.level == "image" for job in waiting)
    cached = run.options.features().holds(run.encoder, stored)
    images = len(stored) if waiting and pooled and not cached else 0
    size = images * (4 * run.encoder.shape.width + 2 * sum(level.size for level in run.over(stored).levels))
    again = [_passes(job) for job in waiting if streaming]
    return images + sum(again), size


def _passes(job: Job) -> int:
    """Return how often a streamed picture is encoded for one task: in every epoch, at every look, in the test."""
    if job.task.level == "image":
        return 0
    training = cast(PixelTraining, job.prepared.training)
    trained, held, tested = _counts(job)
    runs = 1 + (training.search_seeds < training.seeds)
    return job.task.frames * (runs * (trained * training.epochs + held * len(looks(training))) + tested)


def _counts(job: Job) -> tuple[int, int, int]:
    """Return the samples of one epoch, and the pieces (or pictures) of validation and test."""
    shown = job.prepared.shown
    return len(job.prepared.dataset.train), len(shown.val), len(shown.test)


def _encode_pace(run: EncoderRun, image_set: ImageSet) -> float:
    """Return seconds per image, from two short passes whose common start-up falls out of the difference.

    On a GPU decoding goes on beside encoding, in as many processes as there are cores for it.
    """
    options, images = run.options, replace(image_set.images, kept=())
    chunk, rows = images.numerics.chunk, images.rows[: 4 * images.numerics.chunk]

    def passed(some: np.ndarray) -> float:
        one = Pass(run.encoder, replace(images, rows=some), options.device)
        return _timed(lambda: list(one.chunks()))

    decode = _timed(lambda: list(decoded(images.pool, rows, images.view.size, chunk, 0))) / len(rows)
    start = passed(rows[:chunk])
    pace = max(decode, (passed(rows) - start) / max(1, len(rows) - chunk)) if len(rows) > chunk else start / chunk
    if options.device.type != "cuda":
        return pace
    return max(pace - decode, decode / max(1, min(options.decoders, os.cpu_count() or 1)))


def _fit_seconds(run: EncoderRun, image_set: ImageSet, job: Job) -> float:
    if not job.prepared.training.epochs:  # neighbours: seconds where encoding takes minutes
        return 0.0
    return (_pixel_seconds if job.task.level == "pixel" else _image_seconds)(run, image_set, job)


def _image_seconds(run: EncoderRun, image_set: ImageSet, job: Job) -> float:
    """Return the seconds of training a job's heads, from short runs over at most twenty batches of noise."""
    training = cast(Training, job.prepared.training)
    train, width = job.prepared.learnt.train, run.encoder.shape.width
    count, frames, classes = min(len(train), 20 * training.batch), job.task.frames, len(job.prepared.dataset.classes)
    split = _split(count, frames, np.arange(count) % classes)
    noise = torch.randn(count * frames, width, generator=torch.Generator().manual_seed(0))
    features = Features(np.arange(count * frames), noise)

    def trained(epochs: int) -> float:
        short = training.model_copy(update={"epochs": epochs, "seeds": 1})
        probe = StackProbe(short, job.prepared.head, classes, METRICS["top1"], "probe", run.options.device)
        return _timed(lambda: probe.fit(features, split, split.take(np.arange(0))))

    start = trained(1)
    epoch = max(0.0, trained(3) - start) / 2
    return training.seeds * (start + epoch * len(train) / count * training.epochs)


def _pixel_seconds(run: EncoderRun, image_set: ImageSet, job: Job) -> float:
    """Return the seconds of training a pixel task's heads and of their answers, from two batches of noise."""
    training, pieces = cast(PixelTraining, job.prepared.training), job.prepared.pieces
    count, size = 2 * training.batch, pieces.size if pieces else run.options.protocol.size
    split = _split(count, job.task.frames, np.arange(count))
    features = _noise(run, image_set, split)
    truth = PixelTruth(job.prepared, *[_blank(job, count, size)] * 2)

    def trained(epochs: int) -> float:
        short = training.model_copy(update={"epochs": epochs, "seeds": 1, "search_seeds": 1})
        made = cast(PixelProbe, probe_of(run, image_set, replace(job.prepared, training=short), truth))
        probe = replace(made, name="probe", crops=1, weights=None)
        return _timed(lambda: probe.fit(features, split, split.take(np.arange(0))))

    start = trained(1)
    sample = max(0.0, trained(2) - start) / count  # all settings of one seed
    samples, held, tested = _counts(job)
    settings = len(training.learning_rates) * len(training.weight_decays)
    seeds = training.search_seeds + (training.seeds - training.search_seeds) / settings
    steps = samples * training.epochs + _FORWARD * held * len(looks(training))
    return seeds * (start + sample * steps) + _FORWARD * sample * tested * training.seeds / settings


def _noise(run: EncoderRun, image_set: ImageSet, split: Split) -> Features:
    """Return maps of noise for the samples of a split."""
    levels, count = run.over(image_set.images).levels, split.index.size
    numbers = sum(level.size for level in levels)
    noise = torch.randn(count, numbers, generator=torch.Generator().manual_seed(0)).half()
    return Features(np.arange(count), torch.zeros(count, 1), Rows(noise), levels)


def _blank(job: Job, count: int, size: int) -> Targets:
    """Return targets of a job's kind that are all zero."""
    labels = job.prepared.shown.labels
    kind = labels.kind if labels else "classes"
    channels = 2 if kind == "flow" else 1
    blank = torch.zeros(count, channels * size**2, dtype=torch.uint8 if kind == "classes" else torch.float32)
    return Targets(kind, size, channels, np.arange(count), Rows(blank))


def _split(count: int, frames: int, targets: np.ndarray) -> Split:
    index = np.arange(count * frames).reshape(count, frames)
    return Split(tuple(map(str, range(count))), index, targets, np.arange(count))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
